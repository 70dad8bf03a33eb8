"""Which settings ask for work on nodes: by the phase that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.settings import secret_references, vault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.settings.files import Source
    from kiln.settings.model import Driver


def keys(driver: Driver, sources: Sequence[Source]) -> dict[str, list[str]]:
    """Return by phase the settings that have work for it; none for a phase without work.

    Raises UsageError for references to secrets that cannot be read.
    """
    # A variable is replaced as a whole by the stronger source.
    strongest = [source for source in sources if secret_references.KEY in source.values][-1:]
    asked = {
        phases.PROVISION.name: {
            "emr_node_os_packages": bool(driver.emr_node_os_packages),
            "emr_node_files": bool(driver.emr_node_files),
            "emr_node_system_settings": driver.emr_node_system_settings.is_set,
            "emr_node_python_requirements": bool(driver.emr_node_python_requirements),
        },
        phases.DEPLOY.name: {
            "model_repo_url": bool(driver.model_repo_url),
            secret_references.KEY: bool(vault.wanted(strongest)),
        },
    }
    return {phase: [key for key, is_set in found.items() if is_set] for phase, found in asked.items()}
