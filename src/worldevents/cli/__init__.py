"""The command line: what an operator types, answered with data on stdout and everything else on stderr."""
