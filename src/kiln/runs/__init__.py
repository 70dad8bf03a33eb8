"""A run: its phases, its checks before the launch, its execution, verdict and result."""
