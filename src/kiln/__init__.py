"""The driver that launches, watches and ends throwaway EMR clusters."""
