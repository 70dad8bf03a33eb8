"""Clusters and steps: launch, find, wait, add, terminate; states as tables."""
