"""The error that ends a command of emrbox with one line."""

from __future__ import annotations


class BoxError(Exception):
    """What went wrong and what to do about it, in one line."""
