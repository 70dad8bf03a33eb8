"""A run's end as people read it, and what they may want to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.display.duration import duration
from kiln.exit_codes import ExitCode
from kiln.paths import command

if TYPE_CHECKING:
    from kiln.runs.result import Result

# What a resumed run may get over: its steps, its cluster or its time failed, not its settings.
_RESUMABLE = frozenset(
    {
        ExitCode.LAUNCH,
        ExitCode.CAPACITY,
        ExitCode.PROVISION,
        ExitCode.STEP_FAILED,
        ExitCode.STEP_CANCELLED,
        ExitCode.DEADLINE,
        ExitCode.THROTTLED,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
    }
)


def next_commands(result: Result) -> list[str]:
    """Return the commands that make sense now."""
    where = ("--env", result.environment, "--run-id", result.run_id)
    end = command("run", result.pipeline, phases.TERMINATE.name, *where)
    status = command("status", result.pipeline, *where)
    if result.exit_code == ExitCode.NOT_TERMINATED:
        return [end]
    found = []
    failed = any(step.state == "FAILED" for step in result.steps)
    if failed or result.exit_code == ExitCode.STEP_FAILED:
        found += [command(name, result.pipeline, *where) for name in ("diagnose", "logs")]
    live = result.cluster_state not in {None, "TERMINATED", "TERMINATED_WITH_ERRORS"}
    if not live and result.cluster_id and result.exit_code in _RESUMABLE:
        found += [command("resume", result.pipeline, *where)]
    if live:
        found += [status, end]
    elif result.exit_code == ExitCode.OK and result.cluster_id:
        found += [status]
    return found


def lines(result: Result) -> list[str]:
    """Return the summary for stderr."""
    took = f" in {duration(result.seconds)}" if result.seconds else ""
    where = f", phase {result.phase}" if result.phase else ""
    mark = "✔" if result.exit_code in {ExitCode.OK, ExitCode.SKIP} else "✘"
    found = [f"{mark} run {result.run_id} of {result.pipeline}: {_word(result)}{took}{where}"]
    if result.message:
        found.append(f"kiln: {result.message}")
    found += [f"  {line}" for line in result.details]
    found += [f"  fix: {result.fix}"] if result.fix else []
    for one in result.outputs:
        found.append(f"  {one.step} -> {one.uri} ({one.objects} objects, {one.bytes / 1e6:.1f} MB)")
        found += [f"    note: {problem}" for problem in one.problems]
    if result.cluster_id:
        found.append(f"  cluster {result.cluster_id}: {result.cluster_state or 'state unknown'}")
    found += [f"  image   {result.image['id']}"] if result.image.get("id") else []
    found += [f"  logs    {uri}" for uri in result.logs]
    found += [f"  ledger  {result.ledger}"] if result.cluster_id else []
    found += [f"  next    {command}" for command in result.next]
    return found


def _word(result: Result) -> str:
    """Return what happened. Single actions that went well leave a run's verdict open, or end a bad run."""
    if result.exit_code == ExitCode.SKIP:
        return "skipped"
    if result.exit_code != ExitCode.OK:
        return "cancelled" if result.verdict == "cancelled" else f"failed{_class(result)}"
    open_or_good = {
        "running": "done",
        "succeeded": "succeeded",
        "no_step": "done (the run had no step)",
        "unknown": "done (how the run itself ended is not known)",
    }
    return open_or_good.get(result.verdict, f"done (the run itself {result.verdict})")


def _class(result: Result) -> str:
    return f" ({result.failure_class})" if result.failure_class else ""
