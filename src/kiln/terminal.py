"""The two streams: results on stdout, everything for people on stderr. Libraries print nothing."""

from __future__ import annotations

import sys


def out(text: str) -> None:
    """Write a line of a command's answer."""
    sys.stdout.write(text + "\n")


def err(text: str) -> None:
    """Write a line for people, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
