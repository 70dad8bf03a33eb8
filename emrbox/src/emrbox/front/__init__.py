"""What answers on the box's sockets: the AWS endpoint, emrbox's own API, the status page."""
