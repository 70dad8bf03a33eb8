from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from kiln.emr import states
from kiln.emr.states import Verdict
from kiln.exit_codes import ExitCode


def enum(name: str) -> set[str]:
    shape: Any = botocore.session.Session().get_service_model("emr").shape_for(name)
    return set(shape.enum)


def test_the_tables_know_every_state_that_aws_has() -> None:
    assert enum("ClusterState") == states.CLUSTER_LIVE | states.CLUSTER_ENDED
    assert enum("StepState") == states.STEP_ENDED | {"PENDING", "RUNNING", "CANCEL_PENDING"}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ([], Verdict.NO_STEP),
        (["COMPLETED", "COMPLETED"], Verdict.SUCCEEDED),
        (["COMPLETED", "FAILED"], Verdict.FAILED),
        (["INTERRUPTED"], Verdict.FAILED),
        (["CANCELLED", "COMPLETED"], Verdict.CANCELLED),
        (["CANCELLED", "FAILED"], Verdict.FAILED),
        (["COMPLETED", "RUNNING"], Verdict.RUNNING),
        (["SOMETHING_NEW"], Verdict.RUNNING),
    ],
)
def test_success_is_every_step_completed(seen: list[str], verdict: Verdict) -> None:
    assert states.verdict_of_steps(seen) is verdict


def test_error_details_say_more_than_the_reason() -> None:
    code = states.launch_failure("INTERNAL_ERROR", ["INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ"], "text")
    assert code is ExitCode.CAPACITY
    assert states.launch_failure("VALIDATION_ERROR", [], "subnet") is ExitCode.LAUNCH
