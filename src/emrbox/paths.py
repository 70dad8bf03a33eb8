"""Where things lie: the checkout, a box's home and the cache."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def box_home() -> Path:
    """Return the folder with a box's state: $EMRBOX_HOME, or .emrbox in the checkout."""
    return Path(os.environ.get("EMRBOX_HOME") or CHECKOUT / ".emrbox").absolute()


def cache_home() -> Path:
    """Return the folder with finished images, shared by all checkouts of one user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "emrbox"
