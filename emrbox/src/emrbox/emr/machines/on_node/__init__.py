"""Programs that run on nodes: each is one file that uses the standard library only."""
