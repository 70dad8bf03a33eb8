"""What a step's command has to do before it when the run's cluster is gone: --if-no-cluster launch.

Airflow clears or retries the task of one step. The cluster may have ended since, and another try of the same
task may have been killed while it made a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.emr import states
from kiln.ledger.schema import REFUSED
from kiln.runs.selection import SelectedPhase
from kiln.settings import step_needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.ledger.schema import Run, StepEntry
    from kiln.runs.selection import Selection
    from kiln.settings.model import StepSettings


def completed(
    selected: Selection,
    steps: Sequence[StepSettings],
    run: Run | None,
    cluster_id: str | None,
    before_steps: Sequence[phases.Phase],
) -> Selection:
    """Return the selection with all that its steps need and that is not there.

    `steps` are the pipeline's, `before_steps` its phases before them; `cluster_id` names the run's usable
    cluster. On one that is not ready everything before the steps is done first; steps whose results were lost
    with an earlier cluster run again. Steps that have never been complete do not: somebody has decided to go
    on without them.
    """
    is_ready = _is_ready(run, cluster_id, before_steps[-1])
    before = [] if is_ready else [SelectedPhase(row) for row in before_steps]
    lost = _lost(selected, steps, run, cluster_id)
    if not before and not lost:
        return selected
    again = [SelectedPhase(phases.STEP, step) for step in lost]
    chosen = [*lost, *selected.steps]
    return msgspec.structs.replace(
        selected,
        phases=(*before, *again, *selected.phases),
        step_needs=step_needs.of(chosen) if step_needs.is_sequence(steps) else selected.step_needs,
        again=selected.again | {step.name for step in lost},
    )


def was_launched(selected: Selection, run: Run | None) -> bool:
    """Return whether the selected steps were part of a launch, of a cluster that ends by itself.

    Not when one has failed, as far as the ledger knows, or has to run again: another launch has to have it.
    """
    last = {one.name: one for one in (run.steps if run else ()) if one.state != REFUSED}
    return all(_is_judged(selected, last.get(step.name)) for step in selected.steps)


def _is_judged(selected: Selection, entry: StepEntry | None) -> bool:
    if entry is None or entry.state in states.STEP_ENDED - {"COMPLETED"}:
        return False
    return entry.name not in selected.again or (bool(selected.request) and entry.request == selected.request)


def _is_ready(run: Run | None, cluster_id: str | None, row: phases.Phase) -> bool:
    """Return whether the last phase before the steps, `row`, has ended well on the run's present cluster."""
    last = run.attempts[-1] if run and run.attempts else None
    if run is None or last is None or cluster_id is None or last.cluster_id != cluster_id:
        return False
    return any(
        one.name == row.name and one.status == "ok" and one.ended_at > last.intent_at for one in run.phases
    )


def _lost(
    selected: Selection, steps: Sequence[StepSettings], run: Run | None, cluster_id: str | None
) -> list[StepSettings]:
    """Return the steps before the selected ones whose results an earlier cluster took with it, in order."""
    needs = step_needs.of(steps)
    names = {step.name for step in selected.steps}
    before = {one for name in names for one in step_needs.ancestors(needs, name)} - names
    complete = [one for one in (run.steps if run else ()) if one.state == "COMPLETED"]
    here = {one.name for one in complete if one.cluster_id == cluster_id}
    gone = {one.name for one in complete} - here
    return [step for step in steps if step.name in before & gone and not step.durable]
