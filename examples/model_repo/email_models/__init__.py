"""What the two jobs share: reading, the models themselves, writing."""
