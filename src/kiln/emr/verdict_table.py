"""The verdict of a run as a table: the first row that fits the evidence decides.

docs/verdicts.md is printed from this table (`python -m kiln.emr.verdict_table`). Every row has a scenario in
tests/on_box/test_verdict_table.py. Nothing here makes a call; kiln.emr.evidence collects what is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kiln import failure_classes, phases
from kiln.aws.error_codes import REFUSALS
from kiln.emr import states
from kiln.emr.states import Verdict
from kiln.emr.verdict_facts import CORE, GONE, MASTER, Awaited, LostNode
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.emr.verdict_facts import Evidence


class Row(NamedTuple):
    """One line of the table. `evidence` says in words what `holds` asks."""

    name: str
    evidence: str
    holds: Callable[[Evidence], bool]
    verdict: Verdict
    failure_class: FailureClass | None = None
    # Where the class's own one would be wrong.
    own_exit_code: ExitCode | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of a command that ends with this row."""
        if self.own_exit_code is not None:
            return self.own_exit_code
        return ExitCode.OK if self.failure_class is None else self.meaning.exit_code

    @property
    def meaning(self) -> failure_classes.Row:
        """Return the row of the failure class. Raises KeyError when there is none."""
        return failure_classes.OF[self.failure_class or FailureClass.UNKNOWN]


def _failed(name: str, kind: FailureClass, evidence: str, holds: Callable[[Evidence], bool]) -> Row:
    return Row(name, evidence, holds, Verdict.FAILED, kind)


def _cancelled(name: str, evidence: str, holds: Callable[[Evidence], bool]) -> Row:
    return Row(name, evidence, holds, Verdict.CANCELLED, FailureClass.CANCELLED)


_PLAYBOOKS = frozenset({phases.PROVISION.name, phases.DEPLOY.name, phases.ROLLBACK.name})
_NORMAL_ENDS = ("", "ALL_STEPS_COMPLETED", states.USER_REQUEST)
_WITH_ERRORS = "TERMINATED_WITH_ERRORS"
# Guess (docs/aws_facts.md 14.3): how the end by the auto-termination policy is reported.
_IDLE_TEXTS = ("auto-termination", "auto termination", "idle")


def _nothing_happened(seen: Evidence) -> bool:
    ended = seen.cluster_state in {"TERMINATED", "TERMINATING"} and seen.has_reason(*_NORMAL_ENDS)
    quiet = ended or seen.cluster_state in {"", GONE}
    asked = seen.awaited is not Awaited.NOTHING or seen.refusal or seen.failed_phases
    return not seen.steps and quiet and not asked


def _core_lost(node: LostNode) -> bool:
    return node.kind == CORE


def _is_spot(node: LostNode) -> bool:
    return node.is_spot


def _is_idle_end(seen: Evidence) -> bool:
    # Kiln keeps its clusters alive without steps: nothing but the policy ends them as "steps completed".
    by_policy = seen.says(*_IDLE_TEXTS) or seen.has_reason("ALL_STEPS_COMPLETED")
    return by_policy and seen.awaited is not Awaited.NOTHING


def _is_users_end(seen: Evidence) -> bool:
    without_reason = seen.has_reason("") and seen.cluster_state != _WITH_ERRORS
    asked = seen.has_reason(states.USER_REQUEST) or without_reason
    return asked and seen.has_known_states and seen.is_unfinished


def _is_cancelled_step(seen: Evidence) -> bool:
    alone = "CANCELLED" in seen.required and "INTERRUPTED" not in seen.required
    by_cluster = seen.is_over and not seen.has_reason(*_NORMAL_ENDS)
    return alone and not by_cluster and seen.cluster_state != _WITH_ERRORS


TABLE: tuple[Row, ...] = (
    Row(
        "complete",
        "every step is COMPLETED (an optional one: over), no phase of the ledger failed",
        lambda seen: seen.is_complete and not seen.failed_phases,
        Verdict.SUCCEEDED,
    ),
    Row(
        "no_step",
        "no step, nothing failed, and the cluster is TERMINATED or was never there",
        _nothing_happened,
        Verdict.NO_STEP,
    ),
    _failed(
        "launch_forbidden",
        FailureClass.PERMISSION,
        "RunJobFlow was refused for a missing permission or wrong keys",
        lambda seen: seen.refusal in REFUSALS,
    ),
    _failed(
        "launch_refused",
        FailureClass.VALIDATION,
        "RunJobFlow was refused for another reason",
        lambda seen: bool(seen.refusal),
    ),
    _failed(
        "spot_capacity",
        FailureClass.SPOT_LOSS,
        "ErrorDetails `INTERNAL_ERROR_SPOT_…`",
        lambda seen: seen.has_detail("INTERNAL_ERROR_SPOT_"),
    ),
    _failed(
        "ec2_capacity",
        FailureClass.CAPACITY,
        "ErrorDetails `…INSUFFICIENT_CAPACITY…`",
        lambda seen: seen.has_detail("INSUFFICIENT_CAPACITY"),
    ),
    _failed(
        "bootstrap_exit_code",
        FailureClass.BOOTSTRAP,
        "ErrorDetails `BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE`",
        lambda seen: seen.has_detail("BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"),
    ),
    _failed(
        "bootstrap_script_missing",
        FailureClass.BOOTSTRAP,
        "ErrorDetails `BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED…` or `BOOTSTRAP_FAILURE_FILE_NOT_FOUND…`",
        lambda seen: seen.has_detail(
            "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED", "BOOTSTRAP_FAILURE_FILE_NOT_FOUND"
        ),
    ),
    _failed(
        "bootstrap_disk_full",
        FailureClass.BOOTSTRAP,
        "ErrorDetails `BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE…`",
        lambda seen: seen.has_detail("BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE"),
    ),
    _failed(
        "bootstrap_metastore",
        FailureClass.BOOTSTRAP,
        "ErrorDetails `BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR…`",
        lambda seen: seen.has_detail("BOOTSTRAP_FAILURE_HIVE_METASTORE"),
    ),
    _failed(
        "bootstrap",
        FailureClass.BOOTSTRAP,
        "reason BOOTSTRAP_FAILURE, or another detail code that begins so",
        lambda seen: seen.has_reason("BOOTSTRAP_FAILURE") or seen.has_detail("BOOTSTRAP_FAILURE"),
    ),
    _failed(
        "spot_loss",
        FailureClass.SPOT_LOSS,
        "a step, a playbook or the cluster failed, and spot nodes were lost meanwhile",
        lambda seen: seen.is_harmed and seen.has_lost(_is_spot),
    ),
    _failed(
        "no_slave_left",
        FailureClass.NO_CORE,
        "the message about the cluster's end has `NO_SLAVE_LEFT`",
        lambda seen: seen.says("no_slave_left"),
    ),
    _failed(
        "no_master",
        FailureClass.NO_MASTER,
        "reason INSTANCE_FAILURE, or no master is running on a cluster that is up",
        lambda seen: seen.has_reason("INSTANCE_FAILURE") or seen.has_none_of(MASTER),
    ),
    _failed(
        "no_core",
        FailureClass.NO_CORE,
        "no core node is running on a cluster that is RUNNING or WAITING",
        lambda seen: seen.has_none_of(CORE),
    ),
    _failed(
        "core_lost",
        FailureClass.NO_CORE,
        "a step or a playbook failed, and a core node was lost meanwhile",
        lambda seen: seen.is_harmed and seen.has_lost(_core_lost),
    ),
    _failed(
        "fleet_timeout",
        FailureClass.CAPACITY,
        "reason INSTANCE_FLEET_TIMEOUT",
        lambda seen: seen.has_reason("INSTANCE_FLEET_TIMEOUT"),
    ),
    _failed(
        "capacity_text",
        FailureClass.CAPACITY,
        "the message says that EC2 has no capacity",
        lambda seen: seen.says("out of capacity", "insufficient capacity"),
    ),
    _failed(
        "quota_text",
        FailureClass.CAPACITY,
        "the message says that a quota of EC2 is exceeded",
        lambda seen: seen.says("ec2 service quota"),
    ),
    _failed(
        "ec2_throttled",
        FailureClass.EMR_INTERNAL,
        "the message says that EC2 throttled EMR",
        lambda seen: seen.says("throttling from amazon ec2"),
    ),
    _failed(
        "role_forbidden",
        FailureClass.PERMISSION,
        "reason VALIDATION_ERROR, and the message is about a missing permission of a role",
        lambda seen: (
            seen.has_reason("VALIDATION_ERROR")
            and seen.says("insufficient ec2 permissions", "not authorized", "access denied")
        ),
    ),
    _failed(
        "validation",
        FailureClass.VALIDATION,
        "reason VALIDATION_ERROR, or ErrorDetails `VALIDATION_ERROR_…`",
        lambda seen: seen.has_reason("VALIDATION_ERROR") or seen.has_detail("VALIDATION_ERROR"),
    ),
    _failed(
        "emr_internal",
        FailureClass.EMR_INTERNAL,
        "reason INTERNAL_ERROR",
        lambda seen: seen.has_reason("INTERNAL_ERROR"),
    ),
    _failed(
        "out_of_memory",
        FailureClass.OUT_OF_MEMORY,
        "a step is FAILED, and EMR's message about it has `OutOfMemoryError`",
        lambda seen: seen.step_says("OutOfMemoryError"),
    ),
    _failed(
        "step_failed",
        FailureClass.USER_CODE,
        "a step is FAILED",
        lambda seen: "FAILED" in seen.required,
    ),
    _failed(
        "ended_by_step",
        FailureClass.USER_CODE,
        "reason STEP_FAILURE: another step ended the cluster",
        lambda seen: seen.has_reason("STEP_FAILURE"),
    ),
    _failed(
        "idle",
        FailureClass.DEADLINE,
        "the auto-termination policy ended the cluster under a command that waits",
        _is_idle_end,
    ),
    _cancelled(
        "ended_by_user",
        "reason USER_REQUEST, and a step or a phase was not over",
        _is_users_end,
    ),
    _cancelled(
        "step_cancelled",
        "a step is CANCELLED, and the cluster has not ended with errors",
        _is_cancelled_step,
    ),
    _failed(
        "step_interrupted",
        FailureClass.NO_MASTER,
        "a step is INTERRUPTED: its process was cut off (docs/aws_facts.md 1.3)",
        lambda seen: "INTERRUPTED" in seen.required,
    ),
    _failed(
        "cluster_gone",
        FailureClass.NOT_FOUND,
        "AWS does not know the cluster, and something was not over",
        lambda seen: seen.cluster_state == GONE and seen.is_unfinished,
    ),
    _failed(
        "playbook_failed",
        FailureClass.PROVISION,
        "provision, deploy or rollback failed, and nothing above explains it",
        lambda seen: seen.awaited is Awaited.PLAYBOOK or bool(_PLAYBOOKS.intersection(seen.failed_phases)),
    ),
    _failed(
        "step_without_end",
        FailureClass.UNKNOWN,
        "a step of the ledger has no end that AWS or the ledger knows",
        lambda seen: "" in seen.required,
    ),
    _failed(
        "phase_failed",
        FailureClass.UNKNOWN,
        "another phase of the ledger failed",
        lambda seen: bool(seen.failed_phases),
    ),
    Row(
        "running",
        "the cluster lives, and no step has failed",
        lambda seen: seen.cluster_state in states.CLUSTER_USABLE and seen.is_active,
        Verdict.RUNNING,
    ),
    Row(
        "launch_unknown",
        "the cluster ended before it was up, for a reason that no row has",
        lambda seen: seen.awaited is Awaited.LAUNCH and seen.is_over,
        Verdict.UNKNOWN,
        FailureClass.UNKNOWN,
        ExitCode.LAUNCH,
    ),
    Row("unknown", "all else", lambda _: True, Verdict.UNKNOWN, FailureClass.UNKNOWN),
)


def judge(seen: Evidence) -> Row:
    """Return the row that decides."""
    return next(row for row in TABLE if row.holds(seen))


_HEAD = """# Verdicts

Printed from `src/kiln/emr/verdict_table.py` by `python -m kiln.emr.verdict_table`; a test compares the two.
The first row whose evidence is there decides about a run, a launch or a step. States and codes are EMR's
([AWS facts](aws_facts.md) 1.1-1.3); messages count only where AWS has no code. What follows from a class
stands in [failure classes](failure_classes.md).

| Row | Evidence | Verdict | Class | Exit code |
|---|---|---|---|---:|
"""


def markdown() -> str:
    """Return docs/verdicts.md."""
    return _HEAD + "".join(_line(row) for row in TABLE)


def _line(row: Row) -> str:
    shown = f"`{row.failure_class.value}`" if row.failure_class else ""
    code = "" if row.verdict in {Verdict.RUNNING, Verdict.NO_STEP} else f"{row.exit_code:d}"
    return f"| `{row.name}` | {row.evidence} | {row.verdict.value} | {shown} | {code} |\n"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # the document itself
