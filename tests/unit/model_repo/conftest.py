"""A model repo on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import git_repos
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """One commit on branch main."""
    return git_repos.make(tmp_path / "repo")
