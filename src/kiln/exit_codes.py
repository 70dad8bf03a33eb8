"""Exit codes as data: docs/exit_codes.md is printed from this table (`python -m kiln.exit_codes`)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class ExitCode(IntEnum):
    """How a kiln command ended. The numbers are a contract with Airflow DAGs and scripts: never renumber."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    PREFLIGHT = 10
    LAUNCH = 11
    CAPACITY = 12
    PROVISION = 13
    STEP_FAILED = 14
    STEP_CANCELLED = 15
    DEADLINE = 16
    LOCKED = 17
    CLUSTER_NOT_FOUND = 18
    THROTTLED = 19
    NOT_TERMINATED = 20
    SKIP = 99
    INTERRUPTED = 130
    TERMINATED = 143


class Row(NamedTuple):
    """One line of the table that people read."""

    code: ExitCode
    meaning: str
    what_to_do: str


TABLE: tuple[Row, ...] = (
    Row(ExitCode.OK, "Done; also: nothing to do, or gone already", "Nothing."),
    Row(
        ExitCode.INTERNAL,
        "A fault in kiln itself",
        "Report it with `.kiln/fault.log` and the log below `.kiln/runs/`.",
    ),
    Row(
        ExitCode.USAGE,
        "The command line or a setting is wrong, or the run has the step with other arguments",
        "Fix what the message names; give a step the date and variables that it had.",
    ),
    Row(
        ExitCode.PREFLIGHT,
        "Something a run needs is missing or refused (endpoint, keys, permission, vault password, branch)",
        "Do what the message says, then run again.",
    ),
    Row(
        ExitCode.LAUNCH,
        "The cluster did not start, or a bootstrap action or another task of the launch failed",
        "Read the reason and the bootstrap logs that the message names.",
    ),
    Row(
        ExitCode.CAPACITY,
        "No capacity, spot nodes lost, or the master or the core nodes lost",
        "Run again, on another subnet or instance type.",
    ),
    Row(
        ExitCode.PROVISION,
        "A task of provision, deploy or bake_image failed; the message and the result's `phase` say which",
        "Read the failed task; run the same action again.",
    ),
    Row(
        ExitCode.STEP_FAILED,
        "A step failed, or its end is unknown",
        "Read the traceback shown; `kiln diagnose` shows it again.",
    ),
    Row(
        ExitCode.STEP_CANCELLED,
        "A step was cancelled, or somebody ended the cluster",
        "Find who did it (CloudTrail); run the step again.",
    ),
    Row(
        ExitCode.DEADLINE,
        "A deadline was reached",
        "Find the phase that took the time; raise the `…_timeout_seconds` of that phase.",
    ),
    Row(
        ExitCode.LOCKED,
        "Another run of the pipeline, or another command for this run, is at work",
        "Wait (`--if-running wait`), or see [stuck lock](operations/stuck_lock.md).",
    ),
    Row(
        ExitCode.CLUSTER_NOT_FOUND,
        "The cluster is not there, there are several, or it is in the wrong state",
        "Name the run with `--run-id`, or launch first.",
    ),
    Row(
        ExitCode.THROTTLED,
        "AWS throttled calls, or gave no usable answer, until the deadline",
        "Run again later.",
    ),
    Row(
        ExitCode.NOT_TERMINATED,
        "AWS did not confirm that the cluster ended: it may still cost money",
        "Run the `terminate` action again and check the cluster in the console.",
    ),
    Row(
        ExitCode.SKIP,
        "Skipped, because another run is at work (`--if-running skip`) or all steps are complete "
        "(`--if-complete skip`); Airflow marks the task as skipped",
        "Nothing.",
    ),
    Row(
        ExitCode.INTERRUPTED,
        "Stopped by Ctrl-C (SIGINT)",
        "Run again; a run that owned its cluster ended it.",
    ),
    Row(ExitCode.TERMINATED, "Stopped by SIGTERM", "Run again; a run that owned its cluster ended it."),
)

# What a shell shows for the code, in machine-readable results.
NAMES: dict[ExitCode, str] = {row.code: row.code.name.lower() for row in TABLE}

_HEAD = """# Exit codes

Printed from `src/kiln/exit_codes.py` by `python -m kiln.exit_codes`; a test fails when the two differ.
The numbers never change their meaning: Airflow DAGs and scripts may rely on them.

| Code | Name | Meaning | What to do |
|---:|---|---|---|
"""


def markdown() -> str:
    """Return docs/exit_codes.md."""
    rows = (f"| {row.code:d} | `{NAMES[row.code]}` | {row.meaning} | {row.what_to_do} |\n" for row in TABLE)
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # the document itself
