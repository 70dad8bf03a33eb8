"""Phases that a pipeline has no work for, or not on this cluster: they are left out, and need no SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.errors import UsageError
from kiln.settings import node_work
from kiln.settings.existing_cluster import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.runs.selection import Selection
    from kiln.settings.files import Source
    from kiln.settings.model import ClusterShape, Driver


def without(selected: Selection, driver: Driver, shape: ClusterShape, sources: Sequence[Source]) -> Selection:
    """Return a run that launches its cluster without the phases that have nothing to do.

    Without a launch the phases stay: somebody has asked for them by name. An existing cluster is provisioned
    and deployed to only when its setting says so, also by single actions. Raises UsageError when nothing is
    left of these.
    """
    selected = _on_existing(selected, driver)
    if not (selected.whole or selected.launches):
        return selected
    present = before_steps(driver, shape, sources)
    kept = tuple(one for one in selected.phases if one.row not in phases.BEFORE_STEPS or one.row in present)
    return msgspec.structs.replace(selected, phases=kept)


def before_steps(driver: Driver, shape: ClusterShape, sources: Sequence[Source]) -> tuple[phases.Phase, ...]:
    """Return what has to be done before the steps of a new cluster, in order.

    On a cluster that ends by itself that is the launch: its steps begin at once, and its image has what they
    need.
    """
    work = node_work.keys(driver, sources)
    if not shape.keep_alive and not driver.emr_cluster_existing.is_named:
        work = {phase: [] for phase in work}
    return tuple(row for row in phases.BEFORE_STEPS if work.get(row.name, [""]))


def _on_existing(selected: Selection, driver: Driver) -> Selection:
    wanted = driver.emr_cluster_existing
    if not wanted.is_named:
        return selected
    is_done = {phases.PROVISION.name: wanted.provision, phases.DEPLOY.name: wanted.deploy}
    kept = tuple(one for one in selected.phases if one.step or is_done.get(one.row.name, True))
    if selected.phases and not kept and not selected.ends:
        names = " and ".join(phase.name for phase in selected.phases)
        raise UsageError(
            f"{names}: the cluster of {KEY} is used as it is",
            fix=f"set {KEY}.provision or {KEY}.deploy to true, when that cluster may be changed",
        )
    return msgspec.structs.replace(selected, phases=kept)
