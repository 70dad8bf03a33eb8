"""What the team's dashboard shows."""

ANSWER = 42
