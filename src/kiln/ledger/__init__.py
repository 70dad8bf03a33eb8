"""A run's memory in S3: its schema, and the store that reads and writes it."""
