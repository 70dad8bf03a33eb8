"""Everything that can be found missing before a cluster costs money."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from kiln import paths, vault
from kiln.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kiln.effects import Effects
    from kiln.settings.files import Source
    from kiln.settings.model import Driver

_GIT_SECONDS = 30


def check_account(effects: Effects) -> str:
    """Return the caller's ARN. Errors have exit code 10: AWS is out of reach or refuses the keys."""
    return effects.caller_identity()


def check_branch(settings: Driver) -> str | None:
    """Return the commit of the model repo's branch; None when the pipeline has no model repo."""
    url, branch = settings.model_repo_url, settings.model_repo_branch
    if not url:
        return None
    environment = paths.clean_environment(paths.checkout(), {"GIT_TERMINAL_PROMPT": "0"})
    command = ["git", "ls-remote", "--exit-code", "--heads", "--tags", "--", url, branch]
    try:
        finished = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PreflightError(
            f"the git remote {url} (model_repo_url) did not answer in {_GIT_SECONDS} s",
            fix="check the network and model_repo_url",
        ) from error
    # ls-remote's own code for "no such ref"; everything else is a remote that cannot be read.
    if finished.returncode == 2:  # noqa: PLR2004
        raise PreflightError(
            f"the git remote {url} has no branch {branch} (model_repo_branch)",
            fix="push the branch, or correct model_repo_branch",
        )
    if finished.returncode != 0:
        said = finished.stderr.strip().splitlines()
        raise PreflightError(
            f"the git remote {url} (model_repo_url) cannot be read: {said[0] if said else 'git failed'}",
            fix="check model_repo_url and that this machine may read it",
        )
    return finished.stdout.split()[0]


def check_requirements(root: Path, settings: Driver) -> None:
    """Raise PreflightError when the lock file of the nodes' Python environment is not there."""
    name = settings.emr_node_python_requirements
    if name and not (root / name).is_file():
        raise PreflightError(
            f"{name} (emr_node_python_requirements) does not exist",
            fix="write the lock file or correct the name",
        )


def check_vault(root: Path, environment: str, sources: Sequence[Source]) -> None:
    """Raise PreflightError unless the vault opens and has every secret that the settings ask for."""
    wanted = vault.wanted(sources)
    if not wanted:
        return
    held = vault.read(root, environment)
    missing = sorted(wanted - held.keys())
    if missing:
        raise PreflightError(
            f"vault/{environment}.yml has no {', '.join(missing)}",
            fix=f"{paths.program()} vault init --env {environment}",
        )
