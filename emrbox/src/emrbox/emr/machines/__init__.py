"""What makes a state true on real nodes: instances, daemons, bootstrap actions, steps, logs."""
