"""Small git repositories, made as a team makes them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def git(*arguments: str | Path) -> str:
    """Run git as an author; return what it prints."""
    options = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    command = ["git", *options, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Path, **files: str) -> str:
    """Commit files (`job` for job.py) to the current branch; return the commit."""
    for name, text in files.items():
        (repo / f"{name}.py").write_text(text)
    git("-C", repo, "add", ".")
    git("-C", repo, "commit", "-q", "--allow-empty", "-m", "next")
    return git("-C", repo, "rev-parse", "HEAD")


def make(folder: Path) -> Path:
    """Make a repository with one commit on branch main."""
    git("init", "-q", "-b", "main", folder)
    commit(folder, job="print(1)\n")
    return folder
