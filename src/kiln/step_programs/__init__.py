"""Programs that Kiln itself gives to steps: they run on the cluster, alone."""
