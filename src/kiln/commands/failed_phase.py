"""The phase of a run that failed last, for `status` and `diagnose`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths, phases
from kiln.emr import verdicts

if TYPE_CHECKING:
    from kiln.identity import Identity
    from kiln.ledger.schema import Phase, Run


def of_run(run: Run | None, *, live: bool) -> Phase | None:
    """Return the phase that failed last and was not repeated with success; None when it is a step."""
    if run is None:
        return None
    failed = verdicts.failed_phases(run)
    if verdicts.is_outdated(run, live=live):
        # Nobody is to end once more what has ended.
        failed = [entry for entry in failed if live or entry.name != phases.TERMINATE.name]
    added = {entry.name for entry in run.steps if entry.step_id}
    return failed[-1] if failed and failed[-1].name not in added else None


def lines(run: Run, phase: Phase) -> list[str]:
    """Return the error of a phase: which task failed on which host, what it printed, what to do."""
    message = phase.message or run.message or f"{phase.name} failed"
    return [message, *phase.details, *([f"fix: {phase.fix}"] if phase.fix else [])]


def next_commands(identity: Identity, phase: Phase, *, live: bool) -> list[str]:
    """Return the commands that make sense after the failure."""
    where = ("--env", identity.environment)
    if not live:
        return [paths.command("run", identity.pipeline, *where)]
    run = (*where, "--run-id", identity.run_id)
    names = dict.fromkeys((phase.name, phases.TERMINATE.name))
    return [paths.command("run", identity.pipeline, name, *run) for name in names]
