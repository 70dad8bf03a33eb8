"""boto3's waiters for EMR, and the inventory plugin amazon.aws.aws_ec2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import WaiterError

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Account

QUICK: Any = {"Delay": 1, "MaxAttempts": 180}
LAUNCH: dict[str, Any] = {
    "Name": "waited for",
    "ReleaseLabel": "emr-spark-8.0.0",
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "Instances": {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True},
    "Tags": [{"Key": "pipeline", "Value": "demo"}],
}
INVENTORY = """\
plugin: amazon.aws.aws_ec2
regions: [us-east-1]
hostnames: [private-ip-address]
filters:
  instance-state-name: running
  tag:aws:elasticmapreduce:job-flow-id: "*"
keyed_groups:
  - key: tags['aws:elasticmapreduce:instance-group-role']
    prefix: role
  - key: tags['pipeline']
    prefix: pipeline
"""


def step(name: str) -> Any:
    jar = {"Jar": "command-runner.jar", "Args": ["true"]}
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def test_waiters_end_when_what_they_wait_for_is_so(account: Account) -> None:
    account.script_step("bad", exit_code=1)
    emr = boto3.client("emr")
    cluster_id = emr.run_job_flow(**LAUNCH)["JobFlowId"]
    emr.get_waiter("cluster_running").wait(ClusterId=cluster_id, WaiterConfig=QUICK)
    good, bad = emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step("good"), step("bad")])["StepIds"]
    wait = emr.get_waiter("step_complete").wait
    wait(ClusterId=cluster_id, StepId=good, WaiterConfig=QUICK)
    with pytest.raises(WaiterError, match="terminal failure state"):
        wait(ClusterId=cluster_id, StepId=bad, WaiterConfig=QUICK)
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    emr.get_waiter("cluster_terminated").wait(ClusterId=cluster_id, WaiterConfig=QUICK)
    with pytest.raises(WaiterError, match="terminal failure state"):
        emr.get_waiter("cluster_running").wait(ClusterId=cluster_id, WaiterConfig=QUICK)


def test_paginators_give_every_cluster_once(account: Account) -> None:
    emr = account.client("emr")
    launched = {emr.run_job_flow(**LAUNCH)["JobFlowId"] for _ in range(120)}
    pages = list(emr.get_paginator("list_clusters").paginate())
    assert [len(page["Clusters"]) for page in pages] == [50, 50, 20]
    assert {c["Id"] for page in pages for c in page["Clusters"]} == launched


@pytest.mark.emrbox_nodes
def test_the_ec2_inventory_finds_a_clusters_nodes_by_their_tags(account: Account, tmp_path: Path) -> None:
    emr = account.client("emr")
    cluster_id = emr.run_job_flow(**LAUNCH)["JobFlowId"]
    emr.get_waiter("cluster_running").wait(ClusterId=cluster_id, WaiterConfig=QUICK)
    file = tmp_path / "emr.aws_ec2.yml"
    file.write_text(INVENTORY)
    command = Path(sys.executable).parent / "ansible-inventory"
    result = subprocess.run(
        [command, "-i", file, "--list"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    inventory = json.loads(result.stdout)
    [instance] = emr.list_instances(ClusterId=cluster_id)["Instances"]
    assert inventory["role_MASTER"]["hosts"] == [instance["PrivateIpAddress"]]
    assert inventory["pipeline_demo"]["hosts"] == [instance["PrivateIpAddress"]]
    facts = inventory["_meta"]["hostvars"][instance["PrivateIpAddress"]]
    assert facts["instance_id"]["__ansible_unsafe"] == instance["Ec2InstanceId"]
