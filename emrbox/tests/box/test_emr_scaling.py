"""Scaling of real nodes by what YARN really says: managed scaling of fleets, automatic scaling policies."""

from __future__ import annotations

from typing import Any

import pytest
from emr_account import BUCKET, Account
from waiting import wait_until

pytestmark = [pytest.mark.box, pytest.mark.slow]

# A node has room for two executors beside the application master; four are wanted.
LOAD_JOB = """
import time
from pyspark.sql import SparkSession

SparkSession.builder.config("spark.executor.instances", 4).getOrCreate()
time.sleep(900)
"""
M5 = {"InstanceType": "m5.xlarge"}
SAMPLE_SECONDS = 300
SCALING_SERVICES = ["elasticmapreduce.amazonaws.com", "application-autoscaling.amazonaws.com"]
# What AWS's own policy for this role allows.
SCALING_ROLE = {
    "Statement": {
        "Effect": "Allow",
        "Action": [
            "cloudwatch:DescribeAlarms",
            "elasticmapreduce:ListInstanceGroups",
            "elasticmapreduce:ModifyInstanceGroups",
        ],
        "Resource": "*",
    }
}


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


def start_load(account: Account, cluster_id: str) -> list[str]:
    account.s3.put_object(Bucket=BUCKET, Key="load.py", Body=LOAD_JOB.encode())
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", f"s3://{BUCKET}/load.py"]}
    step = {"Name": "load", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}
    return list(account.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])["StepIds"])


def end(account: Account, cluster_id: str) -> None:
    account.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    account.until(cluster_id, "TERMINATED")


def test_managed_scaling_doubles_a_fleet_under_load_and_halves_it_after(account: Account) -> None:
    fleets = [
        {"InstanceFleetType": role, "TargetOnDemandCapacity": 1, "InstanceTypeConfigs": [M5]}
        for role in ("MASTER", "CORE")
    ]
    limits = {"UnitType": "InstanceFleetUnits", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 2}
    cluster_id = account.launch(
        0,
        Instances={"InstanceFleets": fleets, "KeepJobFlowAliveWhenNoSteps": True},
        ManagedScalingPolicy={"ComputeLimits": limits},
    )
    account.until(cluster_id, "WAITING")

    def has(units: int) -> bool:
        listed = account.emr.list_instance_fleets(ClusterId=cluster_id)["InstanceFleets"]
        core = next(one for one in listed if one["InstanceFleetType"] == "CORE")
        return (core["Status"]["State"], core["ProvisionedOnDemandCapacity"]) == ("RUNNING", units)

    assert has(1)
    step_ids = start_load(account, cluster_id)
    wait_until(lambda: has(2))
    account.emr.cancel_steps(ClusterId=cluster_id, StepIds=step_ids)
    wait_until(lambda: has(1))
    end(account, cluster_id)


def test_a_scaling_policy_adds_a_node_when_containers_have_waited_at_its_sample(account: Account) -> None:
    account.make_role("scaling", SCALING_SERVICES, SCALING_ROLE)
    rule = {
        "Name": "containers wait",
        "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": 1}},
        "Trigger": {
            "CloudWatchAlarmDefinition": {
                "MetricName": "ContainerPending",
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": 0,
                "Period": SAMPLE_SECONDS,
            }
        },
    }
    policy = {"Constraints": {"MinCapacity": 1, "MaxCapacity": 2}, "Rules": [rule]}
    core = {**M5, "InstanceRole": "CORE", "InstanceCount": 1, "AutoScalingPolicy": policy}
    groups = [{**M5, "InstanceRole": "MASTER", "InstanceCount": 1}, core]
    cluster_id = account.launch(
        0,
        Instances={"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
        AutoScalingRole="scaling",
    )
    account.until(cluster_id, "WAITING")
    start_load(account, cluster_id)

    def group() -> dict[str, Any]:
        listed = account.emr.list_instance_groups(ClusterId=cluster_id)["InstanceGroups"]
        return next(dict(one) for one in listed if one["InstanceGroupType"] == "CORE")

    assert group()["AutoScalingPolicy"]["Status"]["State"] == "ATTACHED"
    assert group()["RunningInstanceCount"] == 1
    wait_until(lambda: group()["RunningInstanceCount"] == 2, seconds=SAMPLE_SECONDS + 120)
    end(account, cluster_id)
