"""Runs on an existing cluster of instance fleets, which Kiln itself does not launch: a hollow one."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from local_world import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import Finished, World

OK, STEP_FAILED = 0, 14
NOTHING_ON_NODES = {
    "model_repo_url": "",
    "emr_node_python_requirements": "",
    "emr_node_os_packages": [],
    "node_secrets_values": {},
}


def fleet(role: str, on_demand: int, spot: int, *types: str) -> dict[str, Any]:
    configs = [{"InstanceType": name} for name in types]
    targets = {"TargetOnDemandCapacity": on_demand, "TargetSpotCapacity": spot}
    return {"InstanceFleetType": role, "InstanceTypeConfigs": configs, **targets}


@pytest.fixture
def cluster_id(world: World) -> Iterator[str]:
    emr: Any = world.session.client("emr")
    fleets = [fleet("MASTER", 1, 0, "m5.xlarge"), fleet("CORE", 1, 2, "m5.xlarge", "r5.xlarge")]
    tags = {"emrbox:hollow": "true", "kiln_shared_with": "local", "environment": "local", "managed_by": "us"}
    made = emr.run_job_flow(
        Name="fleets",
        ReleaseLabel="emr-spark-8.0.0",
        ServiceRole="EMR_DefaultRole_V2",
        JobFlowRole="EMR_EC2_DefaultRole",
        Instances={"InstanceFleets": fleets, "KeepJobFlowAliveWhenNoSteps": True},
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    yield str(made["JobFlowId"])
    emr.terminate_job_flows(JobFlowIds=[made["JobFlowId"]])


def run(world: World, cluster_id: str, *script: str) -> Finished:
    """Run a pipeline of one scripted step on the cluster."""
    step = {
        "name": "main",
        "jar": "command-runner.jar",
        "args": ["emrbox-script", *script],
        "action_on_failure": "CONTINUE",
    }
    extra = {**NOTHING_ON_NODES, "emr_cluster_existing": {"id": cluster_id}, "steps": [step]}
    run_id = f"fleet-{uuid4().hex[:8]}"
    words = ("run", "model_building", "--env", "local", "--run-id", run_id, "-e", json.dumps(extra))
    return world.kiln(*words)


def test_a_run_uses_a_cluster_of_fleets_and_judges_its_failed_step(world: World, cluster_id: str) -> None:
    done = run(world, cluster_id)
    assert done.code == OK, done.said
    # A failure is judged by the cluster's nodes too, which are in fleets here.
    failed = run(world, cluster_id, "--exit-code", "1", "--message", "no such table")
    assert failed.code == STEP_FAILED, failed.said
    assert "no such table" in failed.said
    words = ("calls", "--operation", "ListInstanceFleets", "--status", "200")
    seen = subprocess.run([CHECKOUT / ".venv/bin/emrbox", *words], check=True, capture_output=True, text=True)
    assert "ListInstanceFleets" in seen.stdout
