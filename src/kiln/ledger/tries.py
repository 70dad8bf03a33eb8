"""The tries of a step in one run, on whatever cluster, as the ledger has them: 1 is the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import UsageError

if TYPE_CHECKING:
    from kiln.ledger.schema import Run, StepEntry


def tries_of(run: Run, name: str) -> list[StepEntry]:
    """Return the tries of a step that AWS has taken, oldest first; one without an id left nothing to read."""
    return [entry for entry in run.steps if entry.name == name and entry.step_id is not None]


def try_of(run: Run, name: str, number: int) -> StepEntry:
    """Return one try of a step. Raises UsageError when there was none with that number."""
    found = tries_of(run, name)
    if not 1 <= number <= len(found):
        shown = {0: "no try", 1: "one try"}.get(len(found), f"{len(found)} tries")
        fix = f"--try 1 to {len(found)}" if found else "leave --try out"
        raise UsageError(f"step {name} of run {run.run_id} has {shown}, none is number {number}", fix=fix)
    return found[number - 1]
