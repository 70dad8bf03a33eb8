"""The plugin's own promise: one box, a fresh account per test, nothing of one seen by another."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from pathlib import Path

    from emrbox.pytest_plugin import Account, Box

LAUNCH: dict[str, Any] = {
    "Name": "mine",
    "ReleaseLabel": "emr-spark-8.0.0",
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "Instances": {
        "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
        "KeepJobFlowAliveWhenNoSteps": True,
    },
}
seen: list[str] = []


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_account_of_its_own(aws_account: Account, turn: int) -> None:  # noqa: ARG001  # twice
    assert aws_account.account_id not in seen
    seen.append(aws_account.account_id)
    aws_account.create_default_roles()
    aws_account.client("s3").create_bucket(Bucket="the-same-name-in-both")
    emr = boto3.client("emr")
    assert emr.list_clusters()["Clusters"] == []
    answer = emr.run_job_flow(**LAUNCH)
    assert aws_account.account_id in answer["ClusterArn"]
    assert len(emr.list_clusters()["Clusters"]) == 1
    identity = boto3.client("sts").get_caller_identity()
    assert identity["Account"] == aws_account.account_id


def test_accounts_do_not_see_each_other(aws_account: Account, emrbox: Box) -> None:
    other = emrbox.open_account()
    try:
        aws_account.create_default_roles()
        cluster_id = aws_account.client("emr").run_job_flow(**LAUNCH)["JobFlowId"]
        other.create_default_roles()
        assert other.client("emr").list_clusters()["Clusters"] == []
        with pytest.raises(ClientError, match="not valid"):
            other.client("emr").describe_cluster(ClusterId=cluster_id)
        with pytest.raises(ClientError, match="not valid"):
            other.client("emr").terminate_job_flows(JobFlowIds=[cluster_id])
    finally:
        other.close()
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        other.client("emr").list_clusters()
    with pytest.raises(ValueError, match="account_id"):
        other.close()


def test_steps_are_scripted_per_account(account: Account, emrbox: Box) -> None:
    account.script_step("slow *", seconds=7200)
    account.script_step("bad *", exit_code=1, message="java.lang.OutOfMemoryError")
    other = emrbox.open_account()
    other.script_step("*", exit_code=9)
    emr = boto3.client("emr")
    cluster_id = emr.run_job_flow(**LAUNCH)["JobFlowId"]
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", "x.py"]}
    steps: Any = [
        {"Name": n, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar} for n in ("slow one", "bad one")
    ]
    emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=steps)
    emrbox.advance(7300)
    found = {s["Name"]: s["Status"] for s in emr.list_steps(ClusterId=cluster_id)["Steps"]}
    other.close()
    assert found["slow one"]["State"] == "COMPLETED"
    timeline = found["slow one"]["Timeline"]
    assert (timeline["EndDateTime"] - timeline["StartDateTime"]).total_seconds() >= 7200
    assert found["bad one"]["State"] == "FAILED"
    assert found["bad one"]["FailureDetails"]["Message"] == "java.lang.OutOfMemoryError"


@pytest.mark.emrbox_nodes
def test_instances_of_two_accounts_share_the_network_and_nothing_else(
    aws_account: Account, emrbox: Box, emrbox_home: Path
) -> None:
    other = emrbox.open_account(hollow=False)
    found = []
    for account in (aws_account, other):
        ec2 = account.client("ec2")
        name = {"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}
        image = ec2.describe_images(Owners=["amazon"], Filters=[name])["Images"][0]["ImageId"]
        launched = ec2.run_instances(ImageId=image, InstanceType="m5.xlarge", MinCount=1, MaxCount=1)
        instance_id = launched["Instances"][0]["InstanceId"]
        ec2.get_waiter("instance_running").wait(
            InstanceIds=[instance_id], WaiterConfig={"Delay": 1, "MaxAttempts": 180}
        )
        # This machine has an address of the box's network, which is the default VPC's.
        network = ec2.describe_vpcs()["Vpcs"][0]["CidrBlock"]
        ec2.authorize_security_group_ingress(
            GroupName="default", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=network
        )
        reservations = ec2.describe_instances()["Reservations"]
        assert [i["InstanceId"] for r in reservations for i in r["Instances"]] == [instance_id]
        found.append(reservations[0]["Instances"][0]["PrivateIpAddress"])
    assert len(set(found)) == 2
    home = f"EMRBOX_HOME={emrbox_home}"
    reached = ["env", home, sys.executable, "-m", "emrbox", "connect", found[1], "22"]
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60}
    assert subprocess.run(reached, check=True, **options).stdout.startswith(b"SSH-2.0")
    other.close()
    closed = subprocess.run(["timeout", "2", *reached], check=False, **options)
    assert closed.returncode != 0
