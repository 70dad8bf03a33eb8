"""Runs playbooks in a process of their own."""
