"""The AWS CLI's `emr` commands, as released, on hollow clusters; one run on real nodes at the end."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Account, Box

AWS = Path(__file__).parents[3] / ".venvs/awscli/bin/aws"
RELEASE = ("--release-label", "emr-spark-8.0.0")


class Cli:
    """`aws` with the account's keys in the environment."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.config = folder / "config"
        self.config.write_text("[default]\nregion = us-east-1\n")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "AWS_CONFIG_FILE": str(self.config), "AWS_PAGER": ""}
        return subprocess.run(
            [AWS, *words], env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def __call__(self, *words: str) -> Any:
        result = self.run(*words)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if result.stdout.strip() else None

    def emr(self, command: str, *words: str) -> Any:
        return self("emr", command, *words)

    def create(self, *words: str) -> str:
        roles = (
            () if "--use-default-roles" in words or "--service-role" in words else ("--use-default-roles",)
        )
        return str(self.emr("create-cluster", *RELEASE, *roles, *words)["ClusterId"])

    def cluster(self, cluster_id: str) -> Any:
        return self.emr("describe-cluster", "--cluster-id", cluster_id)["Cluster"]

    def steps(self, cluster_id: str) -> dict[str, str]:
        found = self.emr("list-steps", "--cluster-id", cluster_id)["Steps"]
        return {step["Name"]: step["Status"]["State"] for step in found}


@pytest.fixture
def cli(account: Account, tmp_path: Path) -> Cli:
    return Cli(account, tmp_path)


def test_create_default_roles_makes_what_clusters_then_use(aws_account: Account, tmp_path: Path) -> None:
    cli = Cli(aws_account, tmp_path)
    made = cli.emr("create-default-roles")
    names = {entry["Role"]["RoleName"] for entry in made}
    assert names == {"EMR_EC2_DefaultRole", "EMR_DefaultRole", "EMR_AutoScaling_DefaultRole"}
    [service_role] = [entry["Role"] for entry in made if entry["Role"]["RoleName"] == "EMR_DefaultRole"]
    [statement] = service_role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "elasticmapreduce.amazonaws.com"}
    assert "service_role = EMR_DefaultRole" in cli.config.read_text()
    cluster_id = cli.create("--use-default-roles", "--instance-type", "m5.xlarge", "--instance-count", "1")
    assert cli.cluster(cluster_id)["ServiceRole"] == "EMR_DefaultRole"


def test_instance_type_and_count_with_all_that_create_cluster_takes(cli: Cli, account: Account) -> None:
    bucket = f"data-{account.account_id}"
    configurations = json.dumps([{"Classification": "spark", "Properties": {"a": "b"}}])
    key = cli("ec2", "create-key-pair", "--key-name", "mine")["KeyName"]
    subnet = cli("ec2", "describe-subnets")["Subnets"][1]["SubnetId"]
    cluster_id = cli.create(
        *("--name", "full", "--instance-type", "m5.xlarge", "--instance-count", "3"),
        *("--applications", "Name=Spark", "Name=Hadoop", "--log-uri", f"s3://{bucket}/logs/"),
        *("--tags", "team=red", "empty=", "--configurations", configurations),
        *("--ec2-attributes", f"KeyName={key},SubnetId={subnet}"),
        *("--bootstrap-actions", f"Path=s3://{bucket}/b.sh,Name=prepare,Args=[one,two]"),
        *("--termination-protected", "--step-concurrency-level", "5", "--no-auto-terminate"),
        *("--auto-termination-policy", "IdleTimeout=3600", "--ebs-root-volume-size", "20"),
        *("--scale-down-behavior", "TERMINATE_AT_TASK_COMPLETION", "--visible-to-all-users"),
    )
    cli.emr("wait", "cluster-running", "--cluster-id", cluster_id)
    found = cli.cluster(cluster_id)
    assert found["Status"]["State"] == "WAITING"
    groups = {g["InstanceGroupType"]: g["RequestedInstanceCount"] for g in found["InstanceGroups"]}
    assert groups == {"MASTER": 1, "CORE": 2}
    assert found["BootstrapActions"] == [
        {"Name": "prepare", "ScriptPath": f"s3://{bucket}/b.sh", "Args": ["one", "two"]}
    ]
    assert {t["Key"]: t["Value"] for t in found["Tags"]} == {"team": "red", "empty": ""}
    attributes = found["Ec2InstanceAttributes"]
    assert (attributes["Ec2KeyName"], attributes["IamInstanceProfile"]) == (key, "EMR_EC2_DefaultRole")
    assert found["Configurations"][0]["Classification"] == "spark"
    assert (found["TerminationProtected"], found["StepConcurrencyLevel"]) == (True, 5)
    assert found["LogUri"] == f"s3n://{bucket}/logs/"
    policy = cli.emr("get-auto-termination-policy", "--cluster-id", cluster_id)
    assert policy["AutoTerminationPolicy"] == {"IdleTimeout": 3600}


def test_instance_groups_with_spot_and_their_instances(cli: Cli) -> None:
    cluster_id = cli.create(
        "--instance-groups",
        "Name=first,InstanceGroupType=MASTER,InstanceType=m5.xlarge,InstanceCount=1",
        "InstanceGroupType=CORE,InstanceType=m5.2xlarge,InstanceCount=2",
        "InstanceGroupType=TASK,InstanceType=r5.xlarge,InstanceCount=3,BidPrice=0.10",
    )
    cli.emr("wait", "cluster-running", "--cluster-id", cluster_id)
    groups = {g["InstanceGroupType"]: g for g in cli.cluster(cluster_id)["InstanceGroups"]}
    assert (groups["TASK"]["Market"], groups["TASK"]["BidPrice"]) == ("SPOT", "0.10")
    assert groups["MASTER"]["Name"] == "first"
    listed = cli.emr("list-instances", "--cluster-id", cluster_id, "--instance-group-types", "CORE", "TASK")
    assert sorted(i["InstanceType"] for i in listed["Instances"]) == ["m5.2xlarge"] * 2 + ["r5.xlarge"] * 3
    running = cli.emr("list-clusters", "--active")["Clusters"]
    assert [c["Id"] for c in running] == [cluster_id]
    assert cli.emr("list-clusters", "--terminated")["Clusters"] == []


def test_steps_in_every_shorthand_and_a_cluster_that_ends_by_itself(cli: Cli, emrbox: Box) -> None:
    cluster_id = cli.create(
        *("--instance-type", "m5.xlarge", "--instance-count", "1", "--auto-terminate", "--steps"),
        "Type=Spark,Name=spark,ActionOnFailure=CONTINUE,Args=[--deploy-mode,cluster,s3://b/x.py,1]",
        "Type=CUSTOM_JAR,Name=jar,Jar=s3://b/x.jar,MainClass=Main,Args=a,b",
        "Type=STREAMING,Name=streaming,Args=[-mapper,cat,-reducer,cat,-input,s3://b/i,-output,s3://b/o]",
    )
    emrbox.advance(60)
    cli.emr("wait", "cluster-terminated", "--cluster-id", cluster_id)
    assert cli.steps(cluster_id) == dict.fromkeys(("spark", "jar", "streaming"), "COMPLETED")
    status = cli.cluster(cluster_id)["Status"]
    assert status["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"


def test_steps_are_added_awaited_described_and_cancelled(cli: Cli, account: Account, emrbox: Box) -> None:
    account.script_step("slow", seconds=3600)
    account.script_step("bad", exit_code=1)
    cluster_id = cli.create("--instance-type", "m5.xlarge", "--instance-count", "1")
    of_cluster = ("--cluster-id", cluster_id)
    step = "Type=CUSTOM_JAR,Jar=command-runner.jar,Args=true,ActionOnFailure=CONTINUE,Name="
    added = cli.emr(
        "add-steps", *of_cluster, "--steps", *(step + n for n in ("quick", "bad", "slow", "next"))
    )
    quick, bad, slow, after = added["StepIds"]
    emrbox.advance(30)
    cli.emr("wait", "step-complete", *of_cluster, "--step-id", quick)
    waited = cli.run("emr", "wait", "step-complete", *of_cluster, "--step-id", bad)
    assert waited.returncode == 255
    assert "terminal failure state" in waited.stderr
    cancelled = cli.emr("cancel-steps", *of_cluster, "--step-ids", slow, after)
    assert {c["Status"] for c in cancelled["CancelStepsInfoList"]} == {"SUBMITTED"}
    emrbox.advance(30)
    expected = {"quick": "COMPLETED", "bad": "FAILED", "slow": "CANCELLED", "next": "CANCELLED"}
    assert cli.steps(cluster_id) == expected
    described = cli.emr("describe-step", *of_cluster, "--step-id", bad)["Step"]
    assert described["Status"]["FailureDetails"]["Reason"]


def test_attributes_tags_and_protection_are_changed_and_it_ends(cli: Cli) -> None:
    cluster_id = cli.create("--instance-type", "m5.xlarge", "--instance-count", "1")
    of_cluster = ("--cluster-id", cluster_id)
    cli.emr("wait", "cluster-running", *of_cluster)
    changed = cli.emr("modify-cluster", *of_cluster, "--step-concurrency-level", "10")
    assert changed["StepConcurrencyLevel"] == 10
    cli.emr("modify-cluster-attributes", *of_cluster, "--termination-protected")
    cli.emr("modify-cluster-attributes", *of_cluster, "--no-auto-terminate")
    cli.emr("modify-cluster-attributes", *of_cluster, "--no-visible-to-all-users")
    cli.emr("put-auto-termination-policy", *of_cluster, "--auto-termination-policy", "IdleTimeout=120")
    cli.emr("remove-auto-termination-policy", *of_cluster)
    cli.emr("add-tags", "--resource-id", cluster_id, "--tags", "a=1", "b=2")
    cli.emr("remove-tags", "--resource-id", cluster_id, "--tag-keys", "a")
    assert cli.cluster(cluster_id)["Tags"] == [{"Key": "b", "Value": "2"}]
    refused = cli.run("emr", "terminate-clusters", "--cluster-ids", cluster_id)
    assert "termination protected" in refused.stderr
    cli.emr("modify-cluster-attributes", *of_cluster, "--no-termination-protected")
    cli.emr("terminate-clusters", "--cluster-ids", cluster_id)
    cli.emr("wait", "cluster-terminated", *of_cluster)
    assert cli.cluster(cluster_id)["Status"]["StateChangeReason"]["Code"] == "USER_REQUEST"


def test_instance_groups_are_resized_and_added(cli: Cli, emrbox: Box) -> None:
    cluster_id = cli.create("--instance-type", "m5.xlarge", "--instance-count", "2")
    cli.emr("wait", "cluster-running", "--cluster-id", cluster_id)
    core = next(
        g["Id"] for g in cli.cluster(cluster_id)["InstanceGroups"] if g["InstanceGroupType"] == "CORE"
    )
    cli.emr("modify-instance-groups", "--instance-groups", f"InstanceGroupId={core},InstanceCount=4")
    added = cli.emr(
        *("add-instance-groups", "--cluster-id", cluster_id, "--instance-groups"),
        "InstanceGroupType=TASK,InstanceType=m5.xlarge,InstanceCount=2",
    )
    assert len(added["InstanceGroupIds"]) == 1
    emrbox.advance(60)
    groups = {g["InstanceGroupType"]: g for g in cli.cluster(cluster_id)["InstanceGroups"]}
    assert {role: group["RunningInstanceCount"] for role, group in groups.items()} == {
        "MASTER": 1,
        "CORE": 4,
        "TASK": 2,
    }


def test_instance_fleets_are_launched_added_and_resized(cli: Cli, emrbox: Box) -> None:
    """In the shorthand of the Management Guide's examples."""
    cluster_id = cli.create(
        "--instance-fleets",
        "InstanceFleetType=MASTER,TargetOnDemandCapacity=1,InstanceTypeConfigs=[{InstanceType=m5.xlarge}]",
        "InstanceFleetType=CORE,TargetOnDemandCapacity=2,TargetSpotCapacity=6,InstanceTypeConfigs="
        "[{InstanceType=m5.xlarge,BidPrice=0.5,WeightedCapacity=2},{InstanceType=m5.2xlarge,WeightedCapacity=4}],"
        "LaunchSpecifications={SpotSpecification={TimeoutDurationMinutes=120,TimeoutAction=SWITCH_TO_ON_DEMAND}}",
    )
    cli.emr("wait", "cluster-running", "--cluster-id", cluster_id)
    described = cli.cluster(cluster_id)
    assert described["InstanceCollectionType"] == "INSTANCE_FLEET"
    core = next(f for f in described["InstanceFleets"] if f["InstanceFleetType"] == "CORE")
    assert (core["ProvisionedOnDemandCapacity"], core["ProvisionedSpotCapacity"]) == (2, 6)
    cli.emr(
        *("modify-instance-fleet", "--cluster-id", cluster_id, "--instance-fleet"),
        f"InstanceFleetId={core['Id']},TargetOnDemandCapacity=4,TargetSpotCapacity=2",
    )
    added = cli.emr(
        *("add-instance-fleet", "--cluster-id", cluster_id, "--instance-fleet"),
        "InstanceFleetType=TASK,TargetSpotCapacity=3,InstanceTypeConfigs=[{InstanceType=r5.xlarge}]",
    )
    emrbox.advance(60)
    listed = cli.emr("list-instance-fleets", "--cluster-id", cluster_id)["InstanceFleets"]
    units = {f["Id"]: (f["ProvisionedOnDemandCapacity"], f["ProvisionedSpotCapacity"]) for f in listed}
    assert units[core["Id"]] == (4, 2)
    assert units[added["InstanceFleetId"]] == (0, 3)
    task = cli.emr("list-instances", "--cluster-id", cluster_id, "--instance-fleet-type", "TASK")["Instances"]
    assert [i["InstanceType"] for i in task] == ["r5.xlarge"] * 3


def test_clusters_are_scaled_by_limits_and_by_rules(cli: Cli, account: Account, emrbox: Box) -> None:
    account.script_step("load", seconds=3600, containers=24)
    compute = "UnitType=Instances,MinimumCapacityUnits=2,MaximumCapacityUnits={}"
    cluster_id = cli.create(
        *("--instance-type", "m5.xlarge", "--instance-count", "3", "--auto-scaling-role", "EMR_AutoScaling"),
        *("--managed-scaling-policy", f"ComputeLimits={{{compute.format(4)}}}"),
        *("--steps", "Type=CUSTOM_JAR,Jar=command-runner.jar,Args=true,Name=load"),
    )
    of_cluster = ("--cluster-id", cluster_id)

    def core() -> Any:
        groups = cli.emr("list-instances", *of_cluster, "--instance-group-types", "CORE")["Instances"]
        return sum(instance["Status"]["State"] == "RUNNING" for instance in groups)

    emrbox.advance(30)
    assert core() == 4
    limits = f"ComputeLimits={{{compute.format(9)}}}"
    cli.emr("put-managed-scaling-policy", *of_cluster, "--managed-scaling-policy", limits)
    emrbox.advance(30)
    assert core() == 6
    found = cli.emr("get-managed-scaling-policy", *of_cluster)["ManagedScalingPolicy"]
    assert found["ComputeLimits"]["MaximumCapacityUnits"] == 9
    cli.emr("remove-managed-scaling-policy", *of_cluster)

    group = next(
        g["Id"] for g in cli.cluster(cluster_id)["InstanceGroups"] if g["InstanceGroupType"] == "CORE"
    )
    alarm = {
        "MetricName": "IsIdle",
        "ComparisonOperator": "GREATER_THAN_OR_EQUAL",
        "Threshold": 1,
        "Period": 300,
    }
    shrink = {"AdjustmentType": "EXACT_CAPACITY", "ScalingAdjustment": 3}
    rule = {
        "Name": "idle",
        "Action": {"SimpleScalingPolicyConfiguration": shrink},
        "Trigger": {"CloudWatchAlarmDefinition": alarm},
    }
    policy = json.dumps({"Constraints": {"MinCapacity": 2, "MaxCapacity": 9}, "Rules": [rule]})
    named = (*of_cluster, "--instance-group-id", group)
    cli.emr("put-auto-scaling-policy", *named, "--auto-scaling-policy", policy)
    emrbox.advance(3000)
    assert core() == 6
    emrbox.advance(1200)
    assert core() == 3
    cli.emr("remove-auto-scaling-policy", *named)
    [shown] = [g for g in cli.cluster(cluster_id)["InstanceGroups"] if g["Id"] == group]
    assert shown["AutoScalingPolicy"]["Status"]["State"] == "DETACHED"


def test_security_settings_are_made_and_launches_follow_them(cli: Cli, tmp_path: Path) -> None:
    document = tmp_path / "security.json"
    options = {"MinimumInstanceMetadataServiceVersion": 2, "HttpPutResponseHopLimit": 1}
    document.write_text(json.dumps({"InstanceMetadataServiceConfiguration": options}))
    given = ("--security-configuration", f"file://{document}")
    cli.emr("create-security-configuration", "--name", "safe", *given)
    shown = cli.emr("describe-security-configuration", "--name", "safe")
    assert json.loads(shown["SecurityConfiguration"])["InstanceMetadataServiceConfiguration"] == options
    listed = cli.emr("list-security-configurations")["SecurityConfigurations"]
    assert [one["Name"] for one in listed] == ["safe"]
    group = cli("ec2", "create-security-group", "--group-name", "web", "--description", "open")["GroupId"]
    rule = ("--group-id", group, "--protocol", "tcp", "--port", "8080", "--cidr", "0.0.0.0/0")
    cli("ec2", "authorize-security-group-ingress", *rule)
    wanted = (
        *("--instance-type", "m5.xlarge", "--instance-count", "1", "--security-configuration", "safe"),
        *("--ec2-attributes", f"AdditionalMasterSecurityGroups=[{group}]"),
    )
    refused = cli.create(*wanted)
    cli.run("emr", "wait", "cluster-terminated", "--cluster-id", refused)  # fails, as the cluster has
    reason = cli.cluster(refused)["Status"]["StateChangeReason"]
    assert reason["Code"] == "VALIDATION_ERROR"
    assert f"[{group}]" in reason["Message"]
    ranges = "PermittedPublicSecurityGroupRuleRanges=[{MinRange=8080,MaxRange=8080}]"
    access = ("--block-public-access-configuration", f"BlockPublicSecurityGroupRules=true,{ranges}")
    cli.emr("put-block-public-access-configuration", *access)
    shown = cli.emr("get-block-public-access-configuration")["BlockPublicAccessConfiguration"]
    assert shown["PermittedPublicSecurityGroupRuleRanges"] == [{"MinRange": 8080, "MaxRange": 8080}]
    accepted = cli.create(*wanted)
    cli.emr("wait", "cluster-running", "--cluster-id", accepted)
    assert cli.cluster(accepted)["SecurityConfiguration"] == "safe"
    cli.emr("delete-security-configuration", "--name", "safe")


def test_mistakes_are_answered_as_aws_answers_them(cli: Cli) -> None:
    for words, said in (
        (("describe-cluster", "--cluster-id", "j-NOSUCHCLUSTER"), "InvalidRequestException"),
        (("terminate-clusters", "--cluster-ids", "j-NOSUCHCLUSTER"), "ValidationException"),
        (
            (
                "create-cluster",
                "--release-label",
                "emr-0.1",
                "--use-default-roles",
                "--instance-type",
                "m5.xlarge",
            ),
            "ValidationException",
        ),
        (("list-studios",), "InvalidRequestException"),
    ):
        result = cli.run("emr", *words)
        assert result.returncode == 255
        assert said in result.stderr


@pytest.mark.slow
@pytest.mark.emrbox_nodes
def test_a_cluster_of_real_nodes_runs_its_steps_and_ends(cli: Cli, account: Account, tmp_path: Path) -> None:
    bucket = f"s3://data-{account.account_id}"
    script = tmp_path / "prepare.sh"
    script.write_text('#!/bin/bash\necho "prepared $1" > /home/hadoop/prepared\n')
    cli.run("s3", "cp", str(script), f"{bucket}/prepare.sh")
    cluster_id = cli.create(
        *("--name", "real", "--instance-type", "m5.xlarge", "--instance-count", "2"),
        *("--applications", "Name=Spark", "--log-uri", f"{bucket}/logs/", "--auto-terminate"),
        *("--bootstrap-actions", f"Path={bucket}/prepare.sh,Args=[well]", "--steps"),
        "Type=CUSTOM_JAR,Name=read,Jar=command-runner.jar,Args=[grep,well,/home/hadoop/prepared]",
        "Type=Spark,Name=pi,Args=[/usr/lib/spark/examples/src/main/python/pi.py,2]",
    )
    cli.emr("wait", "cluster-terminated", "--cluster-id", cluster_id)
    assert cli.steps(cluster_id) == {"read": "COMPLETED", "pi": "COMPLETED"}
    assert cli("ec2", "describe-instances", "--query", "Reservations[].Instances[].State.Name") == (
        ["terminated"] * 2
    )
