"""Files of other systems -> actions: a file in, rows of what it says out."""
