"""Classes of failures as data: what a failure is called, its exit code, and whether a new cluster may help.

docs/failure_classes.md is printed from this table (`python -m kiln.failure_classes`).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kiln.exit_codes import ExitCode


class FailureClass(Enum):
    """Why something failed. The names are a contract, as exit codes are: ledgers and results have them."""

    CAPACITY = "capacity"
    SPOT_LOSS = "spot_loss"
    NO_MASTER = "no_master"
    NO_CORE = "no_core"
    BOOTSTRAP = "bootstrap"
    EMR_INTERNAL = "emr_internal"
    UNANSWERED = "unanswered"
    THROTTLED = "throttled"
    PERMISSION = "permission"
    VALIDATION = "validation"
    PROVISION = "provision"
    USER_CODE = "user_code"
    OUT_OF_MEMORY = "out_of_memory"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    COST_CAP = "cost_cap"
    LOCKED = "locked"
    NOT_FOUND = "not_found"
    NOT_TERMINATED = "not_terminated"
    SETTINGS = "settings"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class Row(NamedTuple):
    """One line of the table. `new_cluster`: the run is tried again on a new cluster."""

    name: FailureClass
    exit_code: ExitCode
    meaning: str
    what_to_do: str
    new_cluster: bool = False


TABLE: tuple[Row, ...] = (
    Row(
        FailureClass.CAPACITY,
        ExitCode.CAPACITY,
        "EC2 had no capacity for an instance type in a zone, or a quota of the account is used up",
        "List other subnets or instance types in `kiln_alternatives`.",
        new_cluster=True,
    ),
    Row(
        FailureClass.SPOT_LOSS,
        ExitCode.CAPACITY,
        "EC2 took spot instances back, or had none",
        "Let an alternative use on-demand instances.",
        new_cluster=True,
    ),
    Row(
        FailureClass.NO_MASTER,
        ExitCode.CAPACITY,
        "The master node was lost",
        "Run again; a repeated loss: look at its memory and disk.",
        new_cluster=True,
    ),
    Row(
        FailureClass.NO_CORE,
        ExitCode.CAPACITY,
        "No core node is left, or one was lost and its replacement is bare",
        "Run again; spot instances: let an alternative use on-demand ones.",
        new_cluster=True,
    ),
    Row(
        FailureClass.BOOTSTRAP,
        ExitCode.LAUNCH,
        "A bootstrap action failed",
        "Read the line of the script that failed; `kiln diagnose` shows it.",
        new_cluster=True,
    ),
    Row(
        FailureClass.EMR_INTERNAL,
        ExitCode.LAUNCH,
        "EMR ended the cluster with an internal error, or EC2 throttled it while it launched",
        "Run again; if it stays, ask AWS support with the cluster's id.",
        new_cluster=True,
    ),
    Row(
        FailureClass.UNANSWERED,
        ExitCode.LAUNCH,
        "The launch, or the addition of a step, got no answer, and nothing shows whether it had an effect",
        "Run again: what may exist is searched for and ended first.",
        new_cluster=True,
    ),
    Row(
        FailureClass.THROTTLED,
        ExitCode.THROTTLED,
        "AWS refused calls for being too many, or gave no usable answer, until the deadline",
        "docs/operations/throttled_account.md",
    ),
    Row(
        FailureClass.PERMISSION,
        ExitCode.PREFLIGHT,
        "AWS refused a call of Kiln, or keys, a permission or a role are missing",
        "Give the permission that the message names.",
    ),
    Row(
        FailureClass.VALIDATION,
        ExitCode.LAUNCH,
        "EMR refused the request, or found a setting of the cluster wrong",
        "Correct the `emr_cluster_*` setting that the message is about.",
    ),
    Row(
        FailureClass.PROVISION,
        ExitCode.PROVISION,
        "A task of a playbook failed",
        "Read the failed task.",
    ),
    Row(
        FailureClass.USER_CODE,
        ExitCode.STEP_FAILED,
        "A step ended with an error of its own",
        "Read the cause; `kiln diagnose` shows it again.",
    ),
    Row(
        FailureClass.OUT_OF_MEMORY,
        ExitCode.STEP_FAILED,
        "The driver, an executor or a container of a step ran out of memory",
        "Give it the memory that the cause names.",
    ),
    Row(
        FailureClass.CANCELLED,
        ExitCode.STEP_CANCELLED,
        "Somebody cancelled a step or the run, or ended its cluster",
        "CloudTrail shows who; run again.",
    ),
    Row(
        FailureClass.DEADLINE,
        ExitCode.DEADLINE,
        "A deadline was reached",
        "Find the phase that took the time, or raise its `…_timeout_seconds`.",
    ),
    Row(
        FailureClass.COST_CAP,
        ExitCode.DEADLINE,
        "The run has used its node hours",
        "Raise `kiln_most_node_hours`, or find what took the time.",
    ),
    Row(
        FailureClass.LOCKED,
        ExitCode.LOCKED,
        "Another run or another command holds the lock",
        "docs/operations/stuck_lock.md",
    ),
    Row(
        FailureClass.NOT_FOUND,
        ExitCode.CLUSTER_NOT_FOUND,
        "The cluster is not there, there are several, or it is in the wrong state",
        "Name the run, or launch first.",
    ),
    Row(
        FailureClass.NOT_TERMINATED,
        ExitCode.NOT_TERMINATED,
        "AWS did not confirm that a cluster ended",
        "docs/operations/refused_termination.md",
    ),
    Row(
        FailureClass.SETTINGS,
        ExitCode.USAGE,
        "The command line or a setting is wrong",
        "Correct what the message names.",
    ),
    Row(FailureClass.INTERNAL, ExitCode.INTERNAL, "A fault in Kiln", "Report it."),
    Row(
        FailureClass.UNKNOWN,
        ExitCode.STEP_FAILED,
        "AWS shows a combination of states that no row of the verdict table has",
        "Report it with the states shown; the run is no success.",
    ),
)

OF: dict[FailureClass, Row] = {row.name: row for row in TABLE}

_HEAD = """# Failure classes

Printed from `src/kiln/failure_classes.py` by `python -m kiln.failure_classes`; a test compares the two.
[Verdicts](verdicts.md) has the evidence for each.
The class stands in the result, in the ledger and in `kiln status`. "New cluster": a whole run ends the
cluster and is tried again on a new one, at most `kiln_attempts` times.

| Class | Exit code | New cluster | Meaning | What to do |
|---|---:|---|---|---|
"""


def markdown() -> str:
    """Return docs/failure_classes.md."""
    rows = (
        f"| `{row.name.value}` | {row.exit_code:d} | {'yes' if row.new_cluster else 'no'} "
        f"| {row.meaning} | {row.what_to_do} |\n"
        for row in TABLE
    )
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # the document itself
