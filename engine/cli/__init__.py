"""The command line: `marey`, a thin layer over what the package offers to Python."""
