"""One day of e-mail telemetry with a truth that is known, because it was planted."""
