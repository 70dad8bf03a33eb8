"""Amazon EMR on EC2, as far as its API and its nodes' behaviour are documented, on real nodes."""
