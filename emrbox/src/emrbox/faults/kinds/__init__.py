"""The kinds of faults: the row of each, and where it can be one, the function that does it."""
