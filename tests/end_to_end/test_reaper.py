"""The reaper and refused terminations on emrbox, by the commands of their pages; clusters without nodes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pages
import pytest
from local_world import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_world import World

NOT_TERMINATED = 20
LAST_YEAR = "2025-01-01T00:00:00Z"


def emrbox(*arguments: str) -> None:
    subprocess.run([CHECKOUT / ".venv/bin/emrbox", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def hollow(world: World) -> Iterator[World]:
    """Clusters from now on have no nodes."""
    emrbox("hollow", "on")
    yield world
    emrbox("hollow", "off")


@pytest.fixture
def _no_faults_after() -> Iterator[None]:
    yield
    emrbox("fault", "clear")


def launched(world: World, name: str) -> tuple[str, str]:
    """Launch a cluster by Kiln; return its run id and its id."""
    run_id = f"{name}-{uuid4().hex[:8]}"
    done = world.kiln(
        "run",
        "model_building",
        "launch",
        "--env",
        "local",
        "--run-id",
        run_id,
        "-e",
        "emr_cluster_allow_second=true",
        "-e",
        "kiln_parallel_runs=0",
    )
    assert done.code == 0, done.said
    return run_id, str(world.cluster_of(run_id)["Id"])


def tag(world: World, cluster_id: str, **tags: str) -> None:
    listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
    world.session.client("emr").add_tags(ResourceId=cluster_id, Tags=listed)


def state(world: World, cluster_id: str) -> str:
    described = world.session.client("emr").describe_cluster(ClusterId=cluster_id)
    return str(described["Cluster"]["Status"]["State"])


def plain_instance(world: World, **tags: str) -> str:
    listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
    ec2 = world.session.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    answer = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )
    return str(answer["Instances"][0]["InstanceId"])


def test_the_commands_of_the_page_end_what_has_expired_and_nothing_else(hollow: World) -> None:
    _, old = launched(hollow, "old")
    young_run, young = launched(hollow, "young")
    foreign = str(
        hollow.session.client("emr").run_job_flow(
            Name="kiln-local-model_building-foreign",
            ReleaseLabel="emr-spark-8.0.0",
            ServiceRole="EMR_DefaultRole_V2",
            JobFlowRole="EMR_EC2_DefaultRole",
            Instances={
                "InstanceGroups": [
                    {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
                ],
                "KeepJobFlowAliveWhenNoSteps": True,
            },
        )["JobFlowId"]
    )
    tag(hollow, old, expires_at=LAST_YEAR)
    hollow.session.client("emr").set_termination_protection(JobFlowIds=[old], TerminationProtected=True)
    done = pages.run(pages.commands("reaper.md", "sweep"), {"KILN_ENV": "local"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{old} .* end +expired: expired at {LAST_YEAR}$", done.stdout, re.MULTILINE)
    assert re.search(rf"^{young} .* keep( |$)", done.stdout, re.MULTILINE)
    assert re.search(rf"^{foreign} .* not Kiln's$", done.stdout, re.MULTILINE)
    assert "1 of 1 ended" in done.stdout
    assert state(hollow, old) == "TERMINATED"
    assert {state(hollow, young), state(hollow, foreign)} <= {"WAITING", "STARTING", "BOOTSTRAPPING"}
    hollow.session.client("emr").terminate_job_flows(JobFlowIds=[foreign])
    ended = hollow.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", young_run)
    assert ended.code == 0, ended.said


def test_a_plain_instance_of_the_environment_ends_with_its_expiry(hollow: World) -> None:
    ours = {"managed_by": "kiln", "environment": "local", "expires_at": LAST_YEAR}
    old, prod = plain_instance(hollow, **ours), plain_instance(hollow, **{**ours, "environment": "prod"})
    swept = hollow.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert swept.code == 0, swept.said
    assert [row["id"] for row in swept.result["rows"] if row["ended"]] == [old]
    ec2 = hollow.session.client("ec2")
    described = ec2.describe_instances(InstanceIds=[prod])["Reservations"][0]["Instances"][0]
    assert described["State"]["Name"] in {"pending", "running"}
    ec2.terminate_instances(InstanceIds=[prod])


@pytest.mark.usefixtures("_no_faults_after")
@pytest.mark.parametrize("fault", ["termination-refused", "termination-stuck"])
def test_a_termination_that_aws_does_not_confirm_is_exit_20_until_the_page_helps(
    hollow: World, fault: str
) -> None:
    run_id, cluster_id = launched(hollow, fault)
    emrbox("fault", "add", fault)
    words = ("run", "model_building", "terminate", "--env", "local", "--run-id", run_id)
    refused = hollow.kiln(*words, "-e", "kiln_terminate_timeout_seconds=5")
    assert refused.code == NOT_TERMINATED, refused.said
    assert ("termination protected" in refused.result["message"]) == (fault == "termination-refused")
    emrbox("fault", "clear")
    variables = {"KILN_ENV": "local", "RUN": run_id}
    done = pages.run(pages.commands("refused_termination.md", "refused"), variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing to end in local" in done.stdout
    assert state(hollow, cluster_id) == "TERMINATED"


@pytest.mark.usefixtures("_no_faults_after")
def test_a_sweep_waits_for_a_throttled_account(hollow: World) -> None:
    _, cluster_id = launched(hollow, "swept")
    tag(hollow, cluster_id, expires_at=LAST_YEAR)
    emrbox("fault", "add", "throttle", "scale=0.2")
    swept = hollow.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert swept.code == 0, swept.said
    emrbox("fault", "clear")
    assert state(hollow, cluster_id) == "TERMINATED"


def test_the_line_for_cron_works(hollow: World) -> None:
    page = (CHECKOUT / "docs/operations/reaper.md").read_text()
    [line] = re.findall(r"^\*/15 \* \* \* \* (.*)$", page, re.MULTILINE)
    assert hollow.live_clusters() == []
    done = pages.run(line.replace("/opt/kiln", str(CHECKOUT)).replace("prod", "local"), {})
    assert done.returncode == 0, done.stderr
    assert '"kind":"reap"' in done.stdout


def test_the_units_for_systemd_are_valid(tmp_path: Path) -> None:
    units = sorted((CHECKOUT / "docs/operations/systemd").iterdir())
    assert [unit.name for unit in units] == ["kiln-reap@.service", "kiln-reap@.timer"]
    for unit in units:
        text = unit.read_text().replace("/opt/kiln", str(CHECKOUT)).replace("User=kiln", "User=root")
        (tmp_path / unit.name).write_text(text)
    copies = [str(tmp_path / unit.name.replace("@", "@prod")) for unit in units]
    for unit, copy in zip(units, copies, strict=True):
        (tmp_path / unit.name).rename(copy)
    done = subprocess.run(["systemd-analyze", "verify", *copies], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
