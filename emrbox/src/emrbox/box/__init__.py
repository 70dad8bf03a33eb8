"""One box: its first process, its parts, and how it is started and ended."""
