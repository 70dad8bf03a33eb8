"""Messages about runs: by mail, to webhooks and SNS topics, each at most once."""
