"""Checks of a run's model repo before a cluster costs money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kiln.errors import PreflightError
from kiln.model_repo import commits, git_archive, versions
from kiln.model_repo.git_remote import Remote
from kiln.settings import secret_references, vault

if TYPE_CHECKING:
    from kiln.settings.model import Driver


def check_version(root: Path, settings: Driver) -> str | None:
    """Return the model repo's commit that would be deployed now; None when the pipeline has no model repo."""
    if not settings.model_repo_url:
        return None
    git_archive.check_name(settings.model_repo_name)
    asked = versions.wanted(settings.model_repo_branch, settings.model_repo_version)
    return commits.resolve(_remote(root, settings), asked)


def check_archive(root: Path, settings: Driver) -> None:
    """Fetch that commit into the cache. Raises UsageError when some of its files lie elsewhere."""
    commit = check_version(root, settings)
    if commit is not None:
        cache = git_archive.folder(Path(settings.kiln_cache_dir))
        git_archive.archive(_remote(root, settings), commit, settings.model_repo_name, cache)


def _remote(root: Path, settings: Driver) -> Remote:
    """Return the model repo's remote, with the deploy key from the vault."""
    remote = Remote(
        url=settings.model_repo_url,
        protocols=settings.model_repo_protocols,
        host_keys=settings.model_repo_host_keys,
    )
    remote.check()
    name = secret_references.deploy_key(settings.model_repo_deploy_key)
    if not name:
        return remote
    held = vault.read(root, settings.kiln_environment)
    if not isinstance(held.get(name), str):
        raise PreflightError(
            f"vault/{settings.kiln_environment}.yml has no text {name} (model_repo_deploy_key)",
            fix=f"put the private key there: {vault.edit_command(root, settings.kiln_environment)}",
        )
    return remote.with_key(held[name])
