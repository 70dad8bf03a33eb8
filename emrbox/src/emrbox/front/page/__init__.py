"""The status page at /_emrbox/: what runs in the box, for the person at this machine."""
