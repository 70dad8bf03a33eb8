"""What Kiln calls of AWS: one interface, its implementation by boto3, retries, and pure conversions."""
