"""Clusters without nodes: scripted steps on a clock that can be moved."""
