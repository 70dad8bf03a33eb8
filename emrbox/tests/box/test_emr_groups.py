"""Groups of real nodes: they grow, shrink and end gracefully. Cancelled steps, custom images. Two minutes."""

from __future__ import annotations

import json
import urllib.request
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emr_account import BUCKET, Account
from waiting import HANG_SECONDS, wait_until

pytestmark = pytest.mark.box

TASK = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1, "BidPrice": "0.05"}
SLEEP_JOB = """
import time
from pyspark.sql import SparkSession

SparkSession.builder.getOrCreate()
time.sleep(600)
"""


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


@pytest.fixture(scope="module")
def image(box: Any, account: Account) -> str:
    """An AMI made of a plain instance."""
    [instance] = box.launch(UserData="#!/bin/sh\necho baked >/opt/baked\n")
    wait_until(lambda: "baked" in box.ssh(instance, "cat /opt/baked || true"))
    image_id = account.ec2.create_image(InstanceId=instance["InstanceId"], Name="mine")["ImageId"]
    wait_until(lambda: account.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")
    account.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    return str(image_id)


@pytest.fixture(scope="module")
def cluster(account: Account, image: str) -> str:
    cluster_id = account.launch(1, CustomAmiId=image)
    account.emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=True)
    account.until(cluster_id, "WAITING")
    return cluster_id


def group(account: Account, cluster_id: str, role: str) -> dict[str, Any]:
    groups = account.emr.list_instance_groups(ClusterId=cluster_id)["InstanceGroups"]
    return next(dict(g) for g in groups if g["InstanceGroupType"] == role)


def resize(account: Account, cluster_id: str, role: str, count: int) -> None:
    change = {"InstanceGroupId": group(account, cluster_id, role)["Id"], "InstanceCount": count}
    account.emr.modify_instance_groups(ClusterId=cluster_id, InstanceGroups=[change])
    settled(account, cluster_id, role, count)


def settled(account: Account, cluster_id: str, role: str, count: int) -> None:
    def is_so() -> bool:
        found = group(account, cluster_id, role)
        return (found["Status"]["State"], found["RunningInstanceCount"]) == ("RUNNING", count)

    wait_until(is_so)


def is_configured(account: Account, cluster_id: str, role: str, version: int) -> bool:
    found = group(account, cluster_id, role)
    state, applied = found["Status"]["State"], found.get("LastSuccessfullyAppliedConfigurationsVersion")
    return (state, applied) == ("RUNNING", version)


def run(account: Account, cluster_id: str, command: str) -> str:
    step = account.run_step(cluster_id, "bash", "-c", command)
    assert step["Status"]["State"] == "COMPLETED"
    return account.log(f"{cluster_id}/steps/{step['Id']}/stdout.gz")


def yarn_states(account: Account, cluster_id: str) -> list[str]:
    lines = run(account, cluster_id, "yarn node -list -all 2>/dev/null").splitlines()
    return sorted(line.split()[1] for line in lines if line.startswith("ip-"))


def test_a_custom_image_gets_the_release_on_top(account: Account, cluster: str) -> None:
    assert run(account, cluster, "cat /opt/baked && hadoop version | head -1") == "baked\nHadoop 3.4.1\n"


def test_the_instances_of_a_protected_cluster_cannot_be_ended(account: Account, cluster: str) -> None:
    ids = [i["InstanceId"] for i in account.instances(cluster)]
    with pytest.raises(ClientError, match="may not be terminated"):
        account.ec2.terminate_instances(InstanceIds=ids[:1])


def test_spot_task_nodes_join_and_core_nodes_leave_with_their_data_copied(
    account: Account, cluster: str
) -> None:
    account.emr.add_instance_groups(JobFlowId=cluster, InstanceGroups=[TASK])
    settled(account, cluster, "TASK", 1)
    assert group(account, cluster, "TASK")["Market"] == "SPOT"
    assert [i.get("InstanceLifecycle") for i in account.instances(cluster)].count("spot") == 1
    resize(account, cluster, "CORE", 2)
    assert yarn_states(account, cluster) == ["RUNNING"] * 3
    # Both core nodes get files, with one copy each.
    run(account, cluster, "for i in 1 2 3 4; do head -c 1M /dev/urandom | hdfs dfs -put - /tmp/$i; done")
    resize(account, cluster, "CORE", 1)
    resize(account, cluster, "TASK", 0)
    assert yarn_states(account, cluster) == ["DECOMMISSIONED", "DECOMMISSIONED", "RUNNING"]
    assert run(account, cluster, "hdfs dfs -cat '/tmp/[1-4]' | wc -c") == f"{4 * 2**20}\n"


def test_a_cancelled_step_takes_its_spark_application_with_it(account: Account, cluster: str) -> None:
    account.s3.put_object(Bucket=BUCKET, Key="sleep.py", Body=SLEEP_JOB.encode())
    args = ["spark-submit", "--deploy-mode", "cluster", f"s3://{BUCKET}/sleep.py"]
    jar = {"Jar": "command-runner.jar", "Args": args}
    step = {"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}
    [step_id] = account.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"]
    masters = account.emr.list_instances(ClusterId=cluster, InstanceGroupTypes=["MASTER"])["Instances"]
    url = f"http://{masters[0]['PrivateIpAddress']}:8088/ws/v1/cluster/apps"

    def states() -> list[str]:
        with urllib.request.urlopen(url, timeout=HANG_SECONDS) as answer:
            return [app["state"] for app in (json.load(answer)["apps"] or {}).get("app", [])]

    wait_until(lambda: "RUNNING" in states())
    account.emr.cancel_steps(ClusterId=cluster, StepIds=[step_id])
    described = wait_until(
        lambda: (
            (s := account.emr.describe_step(ClusterId=cluster, StepId=step_id)["Step"])["Status"]["State"]
            == "CANCELLED"
            and s
        )
    )
    assert described["AdditionalInfo"]["ResourceManager"] == "YARN"
    wait_until(lambda: "RUNNING" not in states() and "KILLED" in states())


@pytest.mark.slow
def test_managed_scaling_doubles_the_core_nodes_under_load_and_halves_them_after(
    account: Account, cluster: str
) -> None:
    # A node has room for two executors beside the application master; four are wanted.
    job = SLEEP_JOB.replace("builder", 'builder.config("spark.executor.instances", 4)')
    account.s3.put_object(Bucket=BUCKET, Key="load.py", Body=job.encode())
    limits = {"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 2}
    account.emr.put_managed_scaling_policy(ClusterId=cluster, ManagedScalingPolicy={"ComputeLimits": limits})
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", f"s3://{BUCKET}/load.py"]}
    step = {"Name": "load", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}
    step_ids = account.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"]
    settled(account, cluster, "CORE", 2)
    account.emr.cancel_steps(ClusterId=cluster, StepIds=step_ids)
    settled(account, cluster, "CORE", 1)
    account.emr.remove_managed_scaling_policy(ClusterId=cluster)


def test_groups_are_reconfigured_and_their_daemons_read_the_new_files(account: Account, cluster: str) -> None:
    """After the test of sizes: one core node is left."""
    memory = {"yarn.nodemanager.resource.memory-mb": "2048"}
    for role in ("CORE", "MASTER"):  # the master restarts the NameNode and the ResourceManager
        change = {
            "InstanceGroupId": group(account, cluster, role)["Id"],
            "Configurations": [
                {"Classification": "yarn-site", "Properties": memory},
                {"Classification": "core-site", "Properties": {"emrbox.tried": role.lower()}},
            ],
        }
        account.emr.modify_instance_groups(ClusterId=cluster, InstanceGroups=[change])
        # It goes through RECONFIGURING, and begins that when it is not resized any more.
        wait_until(partial(is_configured, account, cluster, role, 1))
    masters = account.emr.list_instances(ClusterId=cluster, InstanceGroupTypes=["MASTER"])["Instances"]
    url = f"http://{masters[0]['PrivateIpAddress']}:8088/ws/v1/cluster/nodes"
    with urllib.request.urlopen(url, timeout=HANG_SECONDS) as answer:
        nodes = json.load(answer)["nodes"]["node"]
    assert [node["availMemoryMB"] for node in nodes if node["state"] == "RUNNING"] == [2048]
    assert run(account, cluster, "hdfs getconf -confKey emrbox.tried") == "master\n"
    reports = "cd /mnt/var/log/provision-node/reports && ls && zcat 1/*/*/* | grep message:"
    first, second, *lines = run(account, cluster, reports).splitlines()
    assert (first, second) == ("0", "1")
    assert "  message: 'Wrote /etc/hadoop/conf/yarn-site.xml'" in lines
    assert "  message: 'Restarted resourcemanager'" in lines
    assert run(account, cluster, "hdfs dfs -cat '/tmp/[1-4]' | wc -c") == f"{4 * 2**20}\n"
