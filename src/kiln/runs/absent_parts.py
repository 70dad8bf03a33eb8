"""Phases that a pipeline has no work for: a whole run leaves them out, and needs no SSH for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.settings import secret_references, vault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.runs.selection import Selection
    from kiln.settings.files import Source
    from kiln.settings.model import Driver


def without(selected: Selection, driver: Driver, sources: Sequence[Source]) -> Selection:
    """Return a whole run without the phases that have nothing to do; single actions stay as they are."""
    if not selected.whole:
        return selected
    # A variable is replaced as a whole by the stronger source.
    strongest = [source for source in sources if secret_references.KEY in source.values][-1:]
    has_work = {
        phases.PROVISION.name: bool(driver.emr_node_os_packages or driver.emr_node_python_requirements),
        phases.DEPLOY.name: bool(driver.model_repo_url or vault.wanted(strongest)),
    }
    kept = tuple(phase for phase in selected.phases if phase.step or has_work.get(phase.row.name, True))
    return msgspec.structs.replace(selected, phases=kept)
