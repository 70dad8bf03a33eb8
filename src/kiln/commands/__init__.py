"""One module a command: from parsed arguments to an exit code."""
