"""The HTTP door: decodes, asks who it is, calls a verb, answers."""
