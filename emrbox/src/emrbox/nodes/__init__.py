"""EC2 instances as real machines: namespaces, an overlay file system, an address, sshd and IMDS."""
