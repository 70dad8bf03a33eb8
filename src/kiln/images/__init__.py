"""The AMIs that nodes are launched from: which are there, which are needed any more, how one is published."""
