"""One poller for all runs of a host: who polls, what is shared, how the others are woken."""
