"""The nodes of a cluster: which they are, and what they must have."""
