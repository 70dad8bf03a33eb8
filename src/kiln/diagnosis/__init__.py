"""Logs of a step, and why it failed."""
