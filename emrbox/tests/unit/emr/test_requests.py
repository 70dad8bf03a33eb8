"""What EMR refuses and how, who may call, and how lists are cut into pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emrbox.aws.errors import AwsError
from emrbox.emr.api import history
from emrbox.emr.api.paging import page
from emrbox.emr.life.layer import Pace
from emrbox.emr.life.model import Status
from emrbox.emr.life.states import InstanceState

MASTER = {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
CORE = {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 1}
M6I = {**MASTER, "InstanceType": "m6i.xlarge"}
TASK = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1}


def core_with_volume(count: int = 1, **changes: Any) -> dict[str, Any]:
    volume = {"VolumeType": "gp3", "SizeInGB": 100, "Throughput": 250, **changes}
    configs = [{"VolumeSpecification": volume, "VolumesPerInstance": count}]
    return {**CORE, "EbsConfiguration": {"EbsBlockDeviceConfigs": configs}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Name": "a|b"}, "Invalid cluster name"),
        ({"ReleaseLabel": "emr-9.9.9"}, "release label is invalid"),
        ({"ReleaseLabel": ""}, "exactly one of release label"),
        ({"AmiVersion": "3.11"}, "exactly one of release label"),
        ({"ServiceRole": ""}, "ServiceRole is required"),
        ({"JobFlowRole": ""}, "InstanceProfile is required"),
        ({"JobFlowRole": "no-such-profile"}, "Invalid InstanceProfile"),
        ({"Applications": [{"Name": "Presto"}]}, "application: Presto is not supported"),
        (
            {"ReleaseLabel": "emr-7.13.0", "Applications": [{"Name": "Presto"}]},
            "Presto is not available in this region: nodes of emrbox have Hadoop and Spark",
        ),
        ({"ReleaseLabel": "emr-5.29.0", "Instances": {"InstanceGroups": [M6I]}}, "'m6i.xlarge' is not supp"),
        ({"StepConcurrencyLevel": 257}, "between 1 and 256"),
        ({"AutoTerminationPolicy": {"IdleTimeout": 59}}, "between 60 and 604800"),
        ({"LogUri": "file:///tmp"}, "log URI"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "reserved"),
        ({"Tags": [{"Key": "a", "Value": "1"}] * 2}, "Duplicate tag"),
        ({"Configurations": [{"Classification": "no-site", "Properties": {}}]}, "invalid classification"),
        ({"Configurations": [{"Classification": "yarn-site"}] * 2}, "Multiple configurations"),
        ({"Configurations": [{"Classification": "spark-env", "Properties": {"A": "1"}}]}, "'export' block"),
        ({"SecurityConfiguration": "x"}, "Security configuration with name 'x' does not exist."),
        ({"Instances": {"InstanceGroups": [CORE]}}, "exactly one MASTER"),
        ({"Instances": {"InstanceGroups": [MASTER, MASTER]}}, "exactly one MASTER"),
        ({"Instances": {"InstanceGroups": [MASTER, CORE, CORE]}}, "at most one CORE"),
        ({"Instances": {"InstanceGroups": [MASTER, TASK]}}, "requires a CORE"),
        ({"Instances": {"InstanceGroups": [{**MASTER, "InstanceCount": 2}]}}, "exactly 3 instances for HA"),
        ({"Instances": {"InstanceGroups": [{**MASTER, "InstanceCount": 3}]}}, "three master nodes"),
        ({"Instances": {"InstanceGroups": [{**MASTER, "InstanceType": "m5.huge"}]}}, "m5.huge"),
        ({"Instances": {"InstanceGroups": [MASTER, {**CORE, "BidPrice": "0.12345"}]}}, "bid price"),
        ({"Instances": {"InstanceCount": 3}}, "exactly one of"),
        ({"Instances": {"InstanceGroups": [MASTER, core_with_volume(SizeInGB=4)]}}, "at least 5 GiB"),
        ({"Instances": {"InstanceGroups": [MASTER, core_with_volume(SizeInGB=1025)]}}, "between 1 and 1024"),
        (
            {"Instances": {"InstanceGroups": [MASTER, core_with_volume(Throughput=124)]}},
            "between 125 and 1000",
        ),
        ({"Instances": {"InstanceGroups": [MASTER, core_with_volume(VolumeType="gp2")]}}, "gp3 only"),
        ({"Instances": {"InstanceGroups": [MASTER, core_with_volume(26)]}}, "At most 25 EBS volumes"),
        ({"EbsRootVolumeSize": 14}, "between 15 and 100 GiB"),
        ({"EbsRootVolumeSize": 101}, "between 15 and 100 GiB"),
        ({"ReleaseLabel": "emr-6.9.0", "EbsRootVolumeSize": 9}, "between 10 and 100 GiB"),
    ],
)
def test_run_job_flow_refuses(emr: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        emr.launch(**changes)
    assert refusal.value.code == "ValidationException"
    assert refusal.value.status == 400
    assert emr.call("ListClusters") == {"Clusters": []}


def test_the_simple_form_makes_a_master_and_core_nodes(emr: Any) -> None:
    request = emr.run_request()
    request["Instances"] = {
        "MasterInstanceType": "m5.xlarge",
        "SlaveInstanceType": "r5.xlarge",
        "InstanceCount": 3,
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    cluster_id = emr.call("RunJobFlow", **request)["JobFlowId"]
    groups = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"]
    shapes = [(g["InstanceGroupType"], g["InstanceType"], g["RequestedInstanceCount"]) for g in groups]
    assert shapes == [("MASTER", "m5.xlarge", 1), ("CORE", "r5.xlarge", 2)]


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("DescribeCluster", {"ClusterId": "j-NONE"}, "InvalidRequestException"),
        ("ListSteps", {"ClusterId": "j-NONE"}, "InvalidRequestException"),
        ("TerminateJobFlows", {"JobFlowIds": ["j-NONE"]}, "ValidationException"),
        ("AddJobFlowSteps", {"JobFlowId": "j-NONE", "Steps": []}, "ValidationException"),
        (
            "AddInstanceFleet",
            {"ClusterId": "j-NONE", "InstanceFleet": {"InstanceFleetType": "TASK"}},
            "InvalidRequestException",
        ),
        ("DescribeStudio", {"StudioId": "es-NONE"}, "InvalidRequestException"),
        ("DescribeReleaseLabel", {"ReleaseLabel": "x"}, "InvalidRequestException"),
    ],
)
def test_unknown_things_and_missing_operations_are_the_clients_mistake(
    emr: Any, operation: str, request_: dict[str, Any], code: str
) -> None:
    with pytest.raises(AwsError) as refusal:
        emr.call(operation, **request_)
    assert (refusal.value.code, refusal.value.status) == (code, 400)


def test_unknown_step_is_an_invalid_request(emr: Any) -> None:
    with pytest.raises(AwsError, match="Step id 's-X' is not valid"):
        emr.call("DescribeStep", ClusterId=emr.launch(), StepId="s-X")


def test_clusters_are_listed_by_state_and_time(emr: Any) -> None:
    old = emr.launch(Name="old")
    emr.until(old, "WAITING")
    emr.clock.advance(100)
    between = emr.clock.now()
    emr.clock.advance(100)
    new = emr.launch(Name="new")
    emr.until(new, "WAITING")
    emr.call("TerminateJobFlows", JobFlowIds=[old])
    emr.until(old, "TERMINATED")

    def listed(**filters: Any) -> list[str]:
        return [c["Id"] for c in emr.call("ListClusters", **filters)["Clusters"]]

    assert listed() == [new, old]
    assert listed(ClusterStates=["WAITING"]) == [new]
    assert listed(CreatedAfter=between) == [new]
    assert listed(CreatedBefore=between) == [old]


def test_instances_are_listed_by_role_and_state(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    cores = emr.call("ListInstances", ClusterId=cluster_id, InstanceGroupTypes=["CORE"])["Instances"]
    assert [i["Ec2InstanceId"] for i in cores] == ["i-core0", "i-core1"]
    ended = emr.call("ListInstances", ClusterId=cluster_id, InstanceStates=["TERMINATED"])["Instances"]
    assert ended == []


def test_ended_instances_are_listed_for_thirty_days_and_2000_in_all(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    emr.machines[cluster_id].pace = Pace()  # a month without checks
    record = emr.store.cluster(cluster_id)

    def ended() -> list[str]:
        found = history.instances(record, emr.clock.now())
        return [i.id for _, i in found if i.status.ended is not None]

    with record.lock:
        core = record.groups[1]
        for number in range(2000):
            when = emr.clock.now() + timedelta(seconds=number)
            status = Status(InstanceState.TERMINATED, when, ended=when)
            core.instances.append(replace(core.instances[0], id=f"ci-{number:04}", status=status))
    assert (len(ended()), ended()[0]) == (1997, "ci-0003")  # beside three that run, the latest
    emr.clock.advance(30 * 86400 + 1000)
    assert len(ended()) == 1000
    emr.clock.advance(86400)
    assert len(emr.call("ListInstances", ClusterId=cluster_id)["Instances"]) == 3


def test_a_page_continues_after_the_last_item_even_when_new_ones_came() -> None:
    first, marker = page(["e", "d", "c", "b", "a"], None, str, size=2)
    second, _ = page(["f", "e", "d", "c", "b", "a"], marker, str, size=2)
    assert (first, second) == (["e", "d"], ["c", "b"])


@pytest.mark.parametrize("marker", ["!!", "bm90aGVyZQ==", "é"])
def test_a_marker_that_was_not_handed_out_is_refused(marker: str) -> None:
    with pytest.raises(AwsError, match="Marker"):
        page(["a"], marker, str)


def test_a_caller_without_a_policy_is_denied(emr: Any) -> None:
    emr.policy = {"Statement": []}
    with pytest.raises(
        AwsError, match="is not authorized to perform: elasticmapreduce:ListClusters"
    ) as refusal:
        emr.call("ListClusters")
    assert refusal.value.code == "AccessDeniedException"


def test_launching_needs_permission_to_pass_both_roles(emr: Any) -> None:
    allow = {"Effect": "Allow", "Action": "elasticmapreduce:RunJobFlow", "Resource": "*"}
    role = "arn:aws:iam::123456789012:role/EMR_DefaultRole_V2"
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}
    emr.policy = {"Statement": [allow, passing]}
    with pytest.raises(AwsError, match=r"iam:PassRole on resource: .*EMR_EC2_DefaultRole"):
        emr.launch()


def test_launching_with_tags_needs_permission_to_add_tags(emr: Any) -> None:
    actions = ["elasticmapreduce:RunJobFlow", "iam:PassRole"]
    emr.policy = {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    emr.launch()
    with pytest.raises(AwsError, match="elasticmapreduce:AddTags"):
        emr.launch(Tags=[{"Key": "a", "Value": "b"}])


def test_a_policy_can_be_limited_to_clusters_with_a_tag(emr: Any) -> None:
    mine = emr.launch(Tags=[{"Key": "owner", "Value": "me"}])
    other = emr.launch()
    condition = {"StringEquals": {"elasticmapreduce:ResourceTag/owner": "me"}}
    emr.policy = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]}
    emr.call("TerminateJobFlows", JobFlowIds=[mine])
    with pytest.raises(AwsError, match="not authorized"):
        emr.call("TerminateJobFlows", JobFlowIds=[other])


def test_the_refusal_of_an_unknown_cluster_has_its_error_code(emr: Any) -> None:
    with pytest.raises(AwsError) as refusal:
        emr.call("DescribeCluster", ClusterId="j-NONE")
    assert refusal.value.document["ErrorCode"] == "NoSuchCluster"
