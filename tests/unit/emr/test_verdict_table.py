"""The first row that fits decides, and what no row has is no success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.aws.effects import Group
from kiln.emr import states, verdict_table
from kiln.emr.states import Verdict
from kiln.emr.verdict_facts import Awaited, Evidence, LostNode, StepFact
from kiln.exit_codes import ExitCode
from kiln.failure_classes import OF
from kiln.phases import DEPLOY, LAUNCH, PROVISION

PAGE = Path(__file__).resolve().parents[3] / "docs/verdicts.md"
ENDED: dict[str, Any] = {"cluster_state": "TERMINATED_WITH_ERRORS"}
BY_USER: dict[str, Any] = {"cluster_state": "TERMINATED", "reason_code": "USER_REQUEST"}
STEP: dict[str, Any] = {"awaited": Awaited.STEP}
LAUNCHING: dict[str, Any] = {"awaited": Awaited.LAUNCH}


def steps(*found: str, optional: str = "") -> dict[str, Any]:
    """Return steps in these states; one in the state `optional` more that is optional."""
    facts = [StepFact(name=f"s{at}", state=state) for at, state in enumerate(found)]
    more = [StepFact(name="more", state=optional, optional=True)] if optional else []
    return {"steps": (*facts, *more)}


def groups(master: int, core: int, requested: int = 2, market: str = "ON_DEMAND") -> dict[str, Any]:
    def of(kind: str, asked: int, running: int) -> Group:
        return Group(id=kind, kind=kind, state="RUNNING", requested=asked, running=running, market=market)

    return {"groups": (of("MASTER", 1, master), of("CORE", requested, core))}


def lost(kind: str = "CORE", market: str = "ON_DEMAND", reason: str = "") -> dict[str, Any]:
    return {"lost": (LostNode(kind=kind, market=market, reason=reason),)}


def ended(code: str, message: str = "", *details: str) -> dict[str, Any]:
    return ENDED | {"reason_code": code, "reason_message": message, "detail_codes": details}


UP: dict[str, Any] = {"cluster_state": "RUNNING"}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("complete", steps("COMPLETED", "COMPLETED")),
    ("complete", steps("COMPLETED", optional="FAILED")),
    ("complete", {"steps": (StepFact(name="more", state="", optional=True),)} | BY_USER),
    ("complete", steps("COMPLETED") | ended("INTERNAL_ERROR")),
    ("running", steps("COMPLETED", optional="RUNNING") | UP),
    ("running", steps("COMPLETED", "RUNNING") | UP | groups(1, 2)),
    ("running", UP | LAUNCHING | groups(1, 2)),
    ("running", UP | groups(1, 0, requested=0) | LAUNCHING),
    ("running", steps("RUNNING") | UP | groups(1, 1) | lost()),
    ("no_step", {}),
    ("no_step", BY_USER),
    ("no_step", {"cluster_state": "NOT_FOUND"}),
    ("launch_forbidden", {"refusal": "AccessDeniedException"}),
    ("launch_refused", {"refusal": "ValidationException"}),
    ("spot_capacity", LAUNCHING | ended("INTERNAL_ERROR", "", "INTERNAL_ERROR_SPOT_PRICE_INCREASE_PRIMARY")),
    ("spot_capacity", LAUNCHING | ended("INTERNAL_ERROR", "", "INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY")),
    ("ec2_capacity", LAUNCHING | ended("INTERNAL_ERROR", "", "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ")),
    (
        "bootstrap_exit_code",
        LAUNCHING | ended("BOOTSTRAP_FAILURE", "", "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"),
    ),
    (
        "bootstrap_script_missing",
        LAUNCHING | ended("BOOTSTRAP_FAILURE", "", "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY"),
    ),
    (
        "bootstrap_script_missing",
        LAUNCHING | ended("BOOTSTRAP_FAILURE", "", "BOOTSTRAP_FAILURE_FILE_NOT_FOUND_PRIMARY"),
    ),
    (
        "bootstrap_disk_full",
        LAUNCHING | ended("BOOTSTRAP_FAILURE", "", "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_WORKER"),
    ),
    (
        "bootstrap_metastore",
        LAUNCHING
        | ended("BOOTSTRAP_FAILURE", "", "BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_PRIMARY"),
    ),
    ("bootstrap", LAUNCHING | ended("BOOTSTRAP_FAILURE", "application provisioning failed")),
    ("bootstrap", LAUNCHING | ended("", "", "BOOTSTRAP_FAILURE_OF_A_NEW_KIND")),
    ("spot_loss", STEP | steps("FAILED") | UP | groups(1, 1, market="SPOT") | lost(market="SPOT")),
    ("spot_loss", STEP | steps("INTERRUPTED") | ended("INSTANCE_FAILURE") | lost("MASTER", market="SPOT")),
    (
        "spot_loss",
        STEP | steps("FAILED") | UP | lost(market="", reason="Server.SpotInstanceTermination"),
    ),
    ("spot_loss", {"awaited": Awaited.PLAYBOOK} | UP | lost(market="SPOT")),
    ("no_slave_left", STEP | steps("CANCELLED") | ended("INTERNAL_ERROR", "NO_SLAVE_LEFT")),
    ("no_master", STEP | steps("INTERRUPTED") | ended("INSTANCE_FAILURE", "The master node was terminated.")),
    ("no_master", STEP | steps("RUNNING") | UP | groups(0, 2)),
    ("no_core", STEP | steps("RUNNING") | UP | groups(1, 0)),
    ("no_core", LAUNCHING | {"cluster_state": "WAITING"} | groups(1, 0)),
    ("core_lost", STEP | steps("FAILED") | UP | groups(1, 2) | lost()),
    ("step_failed", STEP | steps("FAILED") | UP | groups(1, 2) | lost("TASK")),
    ("fleet_timeout", LAUNCHING | ended("INSTANCE_FLEET_TIMEOUT")),
    ("capacity_text", LAUNCHING | ended("INTERNAL_ERROR", "EC2 is out of capacity for r5.24xlarge")),
    (
        "quota_text",
        LAUNCHING | ended("INTERNAL_ERROR", "Request exceeds the EC2 service quota for that type."),
    ),
    (
        "ec2_throttled",
        LAUNCHING
        | ended("INTERNAL_ERROR", "Failed to provision instances due to throttling from Amazon EC2"),
    ),
    (
        "role_forbidden",
        LAUNCHING | ended("VALIDATION_ERROR", "Service role r has insufficient EC2 permissions"),
    ),
    ("validation", LAUNCHING | ended("VALIDATION_ERROR", "The subnet is not large enough")),
    ("validation", LAUNCHING | ended("", "", "VALIDATION_ERROR_INVALID_SSH_KEY_NAME")),
    ("emr_internal", LAUNCHING | ended("INTERNAL_ERROR", "An internal error occurred")),
    ("emr_internal", STEP | steps("CANCELLED") | ended("INTERNAL_ERROR")),
    (
        "out_of_memory",
        STEP | {"steps": (StepFact(name="s", state="FAILED", text="java.lang.OutOfMemoryError: heap"),)} | UP,
    ),
    ("step_failed", STEP | steps("FAILED", "RUNNING") | UP),
    ("step_failed", steps("CANCELLED", "FAILED") | BY_USER),
    ("step_failed", STEP | steps("FAILED") | ended("STEP_FAILURE")),
    ("ended_by_step", STEP | steps("CANCELLED") | ended("STEP_FAILURE", "Shut down as step failed")),
    ("ended_by_step", {"cluster_state": "TERMINATED", "reason_code": "STEP_FAILURE"}),
    ("idle", STEP | steps("CANCELLED") | BY_USER | {"reason_message": "by its auto-termination policy"}),
    (
        "idle",
        {"awaited": Awaited.PLAYBOOK, "cluster_state": "TERMINATED", "reason_code": "ALL_STEPS_COMPLETED"},
    ),
    ("ended_by_user", STEP | steps("CANCELLED") | BY_USER),
    ("ended_by_user", STEP | steps("INTERRUPTED") | BY_USER),
    ("ended_by_user", LAUNCHING | BY_USER),
    ("ended_by_user", {"awaited": Awaited.PLAYBOOK} | BY_USER | {"cluster_state": "TERMINATING"}),
    ("step_cancelled", STEP | steps("CANCELLED") | UP),
    ("step_cancelled", steps("COMPLETED", "CANCELLED")),
    ("step_interrupted", STEP | steps("INTERRUPTED") | UP),
    ("cluster_gone", steps("") | {"cluster_state": "NOT_FOUND"}),
    ("playbook_failed", {"awaited": Awaited.PLAYBOOK} | UP | groups(1, 2)),
    ("playbook_failed", {"failed_phases": (DEPLOY.name,)} | steps("COMPLETED") | BY_USER),
    ("playbook_failed", {"failed_phases": (PROVISION.name,)} | BY_USER),
    ("step_without_end", steps("", "COMPLETED") | BY_USER),
    ("phase_failed", {"failed_phases": (LAUNCH.name,)} | BY_USER),
    ("launch_unknown", LAUNCHING | ended("SOMETHING_NEW")),
    ("unknown", STEP | steps("CANCELLED") | ended("SOMETHING_NEW")),
    ("unknown", steps("SOMETHING_NEW") | UP),
    ("unknown", steps("RUNNING") | {"cluster_state": "SOMETHING_NEW"}),
    ("unknown", ENDED),
]


@pytest.mark.parametrize(("name", "known"), CASES)
def test_evidence_leads_to_its_row(name: str, known: dict[str, Any]) -> None:
    assert verdict_table.judge(Evidence(**known)).name == name


def test_every_row_is_tried_and_has_a_name_of_its_own() -> None:
    names = [row.name for row in verdict_table.TABLE]
    assert len(names) == len(set(names))
    assert {name for name, _ in CASES} == set(names)


def test_only_success_running_and_no_step_end_with_zero() -> None:
    good = {Verdict.SUCCEEDED, Verdict.RUNNING, Verdict.NO_STEP}
    for row in verdict_table.TABLE:
        assert (row.exit_code == ExitCode.OK) == (row.verdict in good) == (row.failure_class is None), (
            row.name
        )


def test_a_rows_exit_code_is_that_of_its_class() -> None:
    own = [row.name for row in verdict_table.TABLE if row.own_exit_code is not None]
    assert own == ["launch_unknown"]
    for row in verdict_table.TABLE:
        if row.failure_class and row.own_exit_code is None:
            assert row.exit_code is OF[row.failure_class].exit_code


def test_an_error_of_a_step_leads_to_no_new_cluster() -> None:
    for name in ("out_of_memory", "step_failed", "ended_by_step", "validation", "role_forbidden"):
        (row,) = [one for one in verdict_table.TABLE if one.name == name]
        assert not row.meaning.new_cluster, name


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text() == verdict_table.markdown(), "run: make docs"


# States and codes that AWS documents, so that hostile ones meet rows in which only one value is unknown.
CODES = (
    "",
    "USER_REQUEST",
    "STEP_FAILURE",
    "INSTANCE_FAILURE",
    "ALL_STEPS_COMPLETED",
    "VALIDATION_ERROR",
    "INTERNAL_ERROR",
)
STATES = (*sorted(states.CLUSTER_LIVE | states.CLUSTER_ENDED), "", "NOT_FOUND")
STEP_STATES = ("PENDING", "RUNNING", "CANCEL_PENDING", "CANCELLED", "FAILED", "INTERRUPTED", "")


@many
@given(
    st.lists(st.tuples(st.sampled_from(STEP_STATES) | texts("COMPLETED"), st.booleans()), max_size=3),
    st.sampled_from(STATES) | texts(),
    st.sampled_from(CODES) | texts(),
    texts("OutOfMemoryError", "idle", "out of capacity"),
    st.sampled_from(Awaited),
)
def test_no_combination_of_unknown_values_is_a_success_or_raises(
    found: list[tuple[str, bool]], cluster_state: str, code: str, message: str, awaited: Awaited
) -> None:
    facts = tuple(StepFact(name="s", state=state, text=message, optional=opt) for state, opt in found)
    row = verdict_table.judge(
        Evidence(
            steps=facts,
            cluster_state=cluster_state,
            reason_code=code,
            reason_message=message,
            detail_codes=(message, code),
            awaited=awaited,
            refusal=code if cluster_state == "" else "",
            failed_phases=(message,) if code else (),
        )
    )
    good = [state == "COMPLETED" or (opt and state in states.STEP_ENDED | {""}) for state, opt in found]
    if row.verdict is Verdict.SUCCEEDED:
        assert found
        assert all(good)
    else:
        assert (
            row.verdict is Verdict.NO_STEP or row.verdict is Verdict.RUNNING or row.exit_code != ExitCode.OK
        )
    if row.verdict is Verdict.NO_STEP:
        assert not found
    if row.verdict is Verdict.RUNNING:
        assert cluster_state in states.CLUSTER_USABLE
