"""What nodes are made of: the base image, release layers and the RPM repository, built once and cached."""
