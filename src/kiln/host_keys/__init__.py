"""SSH host keys of a cluster's nodes: read from EC2's console output, pinned in a file a cluster."""
