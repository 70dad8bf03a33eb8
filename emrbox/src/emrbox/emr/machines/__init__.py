"""Clusters on real nodes: instances, daemons, bootstrap actions, steps, logs."""
