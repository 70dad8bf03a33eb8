"""Paths: the checkout, a box's home and the cache."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# Of a checkout: <checkout>/emrbox/src/emrbox.
IS_CHECKOUT = (_PACKAGE.parents[1] / "pyproject.toml").is_file()
# Has requirements/; in an installed package: copies of those lock files that images are made from.
CHECKOUT = _PACKAGE.parents[2] if IS_CHECKOUT else _PACKAGE / "installed"


def box_home() -> Path:
    """Return the folder with a box's state.

    $EMRBOX_HOME, or .emrbox in the checkout; for a package that was installed, ~/.local/state/emrbox.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    default = CHECKOUT / ".emrbox" if IS_CHECKOUT else state / "emrbox"
    return Path(os.environ.get("EMRBOX_HOME") or default).absolute()


def cache_home() -> Path:
    """Return the folder with finished images, shared by all checkouts of one user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "emrbox"
