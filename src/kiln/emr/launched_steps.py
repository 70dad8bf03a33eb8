"""Steps that were part of a launch: recorded in the ledger as if the run had added each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import lost_calls, step_identity
from kiln.emr.steps import entries_of
from kiln.errors import UnknownOutcomeError
from kiln.ledger.schema import StepEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Step
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings


def record(context: Context, cluster_id: str, ledger: Ledger, launched: Sequence[StepSettings]) -> None:
    """Write the steps of a launch into the ledger as soon as AWS shows them all.

    Raises UnknownOutcomeError when it does not, PreflightError for inputs that cannot be listed.
    """
    run = ledger.read() if launched else None
    wanted = [one for one in launched if run is None or not any(entries_of(run, one.name, cluster_id))]
    if not wanted:
        return
    missing = UnknownOutcomeError(
        f"AWS has not shown the steps of cluster {cluster_id} for {lost_calls.LAG_SECONDS:.0f} s",
        fix="run the same action with the same run id again: it looks for them",
    )
    names = {one.name for one in wanted}

    def find() -> dict[str, Step] | None:
        seen = {one.name: one for one in context.effects.list_steps(cluster_id)}
        return seen if names <= seen.keys() else None

    seen = lost_calls.shown(context, find, f"the steps of cluster {cluster_id}", missing)
    entries = [
        StepEntry(
            name=one.name,
            cluster_id=cluster_id,
            intent_at=ledger.now(),
            step_id=seen[one.name].id,
            identity=step_identity.of(context.effects, run, one, cluster_id),
            optional=one.optional,
        )
        for one in wanted
    ]

    def change(run: Run) -> None:
        run.steps.extend(one for one in entries if not any(entries_of(run, one.name, cluster_id)))

    ledger.update(change)
