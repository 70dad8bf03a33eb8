"""A team's model repo: its git remote, and a commit of it as one archive."""
