"""One box: its first process, what it is put together from, and how it is started and ended."""
