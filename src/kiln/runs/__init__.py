"""A run: its selected phases, its checks before the launch, its execution, verdict and result."""
