from __future__ import annotations

from typing import Any

import botocore.session

from kiln.emr import states


def enum(name: str) -> set[str]:
    shape: Any = botocore.session.Session().get_service_model("emr").shape_for(name)
    return set(shape.enum)


def test_the_tables_know_every_state_that_aws_has() -> None:
    assert enum("ClusterState") == states.CLUSTER_LIVE | states.CLUSTER_ENDED
    assert enum("StepState") == states.STEP_ENDED | {"PENDING", "RUNNING", "CANCEL_PENDING"}
