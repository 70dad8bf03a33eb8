"""The AWS side of the box: moto for most services, EMR of our own, and instances that are real."""
