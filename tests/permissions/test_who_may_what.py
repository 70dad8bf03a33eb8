"""Every cell of iam/who_may_what.yml, tried on emrbox with the policies as they are shipped."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from botocore.exceptions import ClientError

from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

IAM = Path(__file__).parents[2] / "iam"
TABLE = yaml.safe_load((IAM / "who_may_what.yml").read_text())
VALUES = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "state_bucket": "state",
    "state_prefix": "kiln",
    "data_bucket": "data",
    "log_bucket": "logs",
    "service_role": "emr",
    "instance_role": "nodes",
    "data_science_role": "notebooks",
    "data_science_workgroup": "notebooks",
}
REFUSED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
IMAGE = "ami-12c6146b"
STEP = {"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "x", "Args": []}}
INGRESS = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
Tags = dict[str, str]


def listed(tags: Tags) -> list[Tags]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specified(*kinds: str, tags: Tags) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": listed(tags)} for kind in kinds if tags]


def of_table(table: tuple[str, str]) -> dict[str, Any]:
    return {"DatabaseName": table[0], "TableName": table[1]}


def of_stream(group: str, stream: str) -> dict[str, Any]:
    return {"logGroupName": group, "logStreamName": stream}


class World:
    """An account with things in it, and people who have the shipped policies."""

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.admin = cache(endpoint.client)
        self.numbers = itertools.count()
        iam = self.admin("iam")
        for name in ("emr", "nodes", "notebooks", "admin"):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
            iam.create_instance_profile(InstanceProfileName=name)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        for bucket in ("state", "data", "logs"):
            self.admin("s3").create_bucket(Bucket=bucket)
        self.people = {name: self.person(name, **who) for name, who in TABLE["principals"].items()}

    def person(self, name: str, *, policy: str | None, environment: str, title: str) -> Callable[[str], Any]:
        assert title
        iam = self.admin("iam")
        iam.create_user(UserName=name)
        if policy:
            document = Template((IAM / f"{policy}.json").read_text()).substitute(
                VALUES, environment=environment
            )
            made = iam.create_policy(PolicyName=name, PolicyDocument=document)
            iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cache(
            lambda service: self.endpoint.client(service, key["AccessKeyId"], key["SecretAccessKey"])
        )

    def make(self, thing: dict[str, Any]) -> Any:
        return MAKERS[thing["kind"]](self, thing)

    def cluster(self, thing: dict[str, Any]) -> str:
        request = self.launch(thing)
        return str(self.admin("emr").run_job_flow(**request)["JobFlowId"])

    def launch(self, thing: dict[str, Any]) -> dict[str, Any]:
        group = {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
        return {
            "Name": "test",
            "ReleaseLabel": "emr-spark-8.0.0",
            "ServiceRole": thing.get("service_role", "emr"),
            "JobFlowRole": thing.get("instance_role", "nodes"),
            "Instances": {"InstanceGroups": [group], "KeepJobFlowAliveWhenNoSteps": True},
            "Tags": listed({**thing["tags"], "emrbox:hollow": "true"}),
        }

    def new_instance(self, thing: dict[str, Any]) -> dict[str, Any]:
        return {
            "ImageId": IMAGE,
            "MinCount": 1,
            "MaxCount": 1,
            "IamInstanceProfile": {"Name": thing.get("instance_role", "nodes")},
            "TagSpecifications": specified(*thing.get("tagged", ("instance", "volume")), tags=thing["tags"]),
        }

    def instance(self, thing: dict[str, Any]) -> str:
        answer = self.admin("ec2").run_instances(**self.new_instance(thing))
        return str(answer["Instances"][0]["InstanceId"])

    def image(self, thing: dict[str, Any]) -> str:
        name = f"image-{next(self.numbers)}"
        made = self.admin("ec2").create_image(InstanceId=self.instance({"tags": {}}), Name=name)["ImageId"]
        if thing["tags"]:
            self.admin("ec2").create_tags(Resources=[made], Tags=listed(thing["tags"]))
        return str(made)

    def new_group(self, thing: dict[str, Any]) -> dict[str, Any]:
        vpc = self.admin("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        return {
            "GroupName": f"g{next(self.numbers)}",
            "Description": "g",
            "VpcId": vpc,
            "TagSpecifications": specified("security-group", tags=thing["tags"]),
        }

    def security_group(self, thing: dict[str, Any]) -> str:
        return str(self.admin("ec2").create_security_group(**self.new_group(thing))["GroupId"])

    def place(self, thing: dict[str, Any]) -> tuple[str, str]:
        bucket, _, key = thing["key"].partition("/")
        return bucket, key

    def object(self, thing: dict[str, Any]) -> tuple[str, str]:
        bucket, key = self.place(thing)
        self.admin("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
        return bucket, key

    def queue(self, thing: dict[str, Any]) -> tuple[str, str]:
        """Return a queue's URL, and the receipt of a message that somebody received."""
        sqs = self.admin("sqs")
        url = str(sqs.create_queue(QueueName=thing["name"])["QueueUrl"])
        sqs.send_message(QueueUrl=url, MessageBody="x")
        return url, sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]

    def topic(self, thing: dict[str, Any]) -> str:
        return str(self.admin("sns").create_topic(Name=thing["name"])["TopicArn"])

    def log_group(self, thing: dict[str, Any]) -> str:
        name = f"{thing['name']}_{next(self.numbers)}"
        self.admin("logs").create_log_group(logGroupName=name)
        self.admin("logs").create_log_stream(logGroupName=name, logStreamName="old")
        return name

    def database(self, thing: dict[str, Any]) -> str:
        with suppress(self.admin("glue").exceptions.AlreadyExistsException):
            self.admin("glue").create_database(DatabaseInput={"Name": thing["name"]})
        return str(thing["name"])

    def table(self, thing: dict[str, Any]) -> tuple[str, str]:
        database, name = self.database(thing), f"t{next(self.numbers)}"
        self.admin("glue").create_table(DatabaseName=database, TableInput={"Name": name})
        return database, name

    def workgroup(self, thing: dict[str, Any]) -> tuple[str, str]:
        """Return a workgroup's name, and an execution that somebody has started in it."""
        with suppress(self.admin("athena").exceptions.InvalidRequestException):
            self.admin("athena").create_work_group(Name=thing["name"])
        query = {
            "QueryString": "SELECT 1",
            "ResultConfiguration": {"OutputLocation": "s3://data/athena_results/"},
        }
        started = self.admin("athena").start_query_execution(WorkGroup=thing["name"], **query)
        return str(thing["name"]), str(started["QueryExecutionId"])


MAKERS: dict[str, Callable[[World, dict[str, Any]], Any]] = {
    "none": lambda *_: None,
    "cluster": World.cluster,
    "launch": World.launch,
    "instance": World.instance,
    "new_instance": World.new_instance,
    "image": World.image,
    "security_group": World.security_group,
    "new_group": World.new_group,
    "object": World.object,
    "listing": World.place,
    "queue": World.queue,
    "topic": World.topic,
    "log_group": World.log_group,
    "database": World.database,
    "table": World.table,
    "workgroup": World.workgroup,
}
EVENTS = [{"timestamp": int(time.time() * 1000), "message": "x"}]
# Action -> service, boto3's method, and the request for a thing and the row's `with`.
CALLS: dict[str, tuple[str, str, Callable[[Any, Tags], dict[str, Any]]]] = {
    "elasticmapreduce:RunJobFlow": ("emr", "run_job_flow", lambda launch, _: launch),
    "elasticmapreduce:AddJobFlowSteps": (
        "emr",
        "add_job_flow_steps",
        lambda c, _: {"JobFlowId": c, "Steps": [STEP]},
    ),
    "elasticmapreduce:CancelSteps": (
        "emr",
        "cancel_steps",
        lambda c, _: {"ClusterId": c, "StepIds": ["s-1"]},
    ),
    "elasticmapreduce:SetTerminationProtection": (
        "emr",
        "set_termination_protection",
        lambda c, _: {"JobFlowIds": [c], "TerminationProtected": True},
    ),
    "elasticmapreduce:TerminateJobFlows": ("emr", "terminate_job_flows", lambda c, _: {"JobFlowIds": [c]}),
    "elasticmapreduce:AddTags": (
        "emr",
        "add_tags",
        lambda c, tags: {"ResourceId": c, "Tags": listed(tags)},
    ),
    "elasticmapreduce:RemoveTags": (
        "emr",
        "remove_tags",
        lambda c, tags: {"ResourceId": c, "TagKeys": list(tags)},
    ),
    "elasticmapreduce:ModifyCluster": (
        "emr",
        "modify_cluster",
        lambda c, _: {"ClusterId": c, "StepConcurrencyLevel": 2},
    ),
    "elasticmapreduce:PutAutoTerminationPolicy": (
        "emr",
        "put_auto_termination_policy",
        lambda c, _: {"ClusterId": c, "AutoTerminationPolicy": {"IdleTimeout": 3600}},
    ),
    "elasticmapreduce:SetKeepJobFlowAliveWhenNoSteps": (
        "emr",
        "set_keep_job_flow_alive_when_no_steps",
        lambda c, _: {"JobFlowIds": [c], "KeepJobFlowAliveWhenNoSteps": True},
    ),
    "elasticmapreduce:DescribeCluster": ("emr", "describe_cluster", lambda c, _: {"ClusterId": c}),
    "elasticmapreduce:ListInstanceFleets": ("emr", "list_instance_fleets", lambda c, _: {"ClusterId": c}),
    "elasticmapreduce:ListInstanceGroups": ("emr", "list_instance_groups", lambda c, _: {"ClusterId": c}),
    "elasticmapreduce:ListInstances": ("emr", "list_instances", lambda c, _: {"ClusterId": c}),
    "elasticmapreduce:ListSteps": ("emr", "list_steps", lambda c, _: {"ClusterId": c}),
    "elasticmapreduce:ListClusters": ("emr", "list_clusters", lambda *_: {}),
    "elasticmapreduce:DescribeReleaseLabel": (
        "emr",
        "describe_release_label",
        lambda *_: {"ReleaseLabel": "emr-spark-8.0.0"},
    ),
    "elasticmapreduce:ListSupportedInstanceTypes": (
        "emr",
        "list_supported_instance_types",
        lambda *_: {"ReleaseLabel": "emr-spark-8.0.0"},
    ),
    "ec2:RunInstances": ("ec2", "run_instances", lambda launch, _: launch),
    "ec2:TerminateInstances": ("ec2", "terminate_instances", lambda i, _: {"InstanceIds": [i]}),
    "ec2:GetConsoleOutput": ("ec2", "get_console_output", lambda i, _: {"InstanceId": i}),
    "ec2:CreateTags": ("ec2", "create_tags", lambda i, tags: {"Resources": [i], "Tags": listed(tags)}),
    "ec2:DeleteTags": ("ec2", "delete_tags", lambda i, tags: {"Resources": [i], "Tags": listed(tags)}),
    "ec2:DescribeInstances": ("ec2", "describe_instances", lambda *_: {}),
    "sqs:ReceiveMessage": ("sqs", "receive_message", lambda queue, _: {"QueueUrl": queue[0]}),
    "sqs:DeleteMessage": (
        "sqs",
        "delete_message",
        lambda queue, _: {"QueueUrl": queue[0], "ReceiptHandle": queue[1]},
    ),
    "sqs:SendMessage": ("sqs", "send_message", lambda queue, _: {"QueueUrl": queue[0], "MessageBody": "x"}),
    "sqs:DeleteQueue": ("sqs", "delete_queue", lambda queue, _: {"QueueUrl": queue[0]}),
    "sns:Publish": ("sns", "publish", lambda topic, _: {"TopicArn": topic, "Subject": "x", "Message": "x"}),
    "sns:Subscribe": (
        "sns",
        "subscribe",
        lambda topic, _: {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"{topic}-queue"},
    ),
    "sns:DeleteTopic": ("sns", "delete_topic", lambda topic, _: {"TopicArn": topic}),
    "logs:CreateLogStream": ("logs", "create_log_stream", lambda g, _: of_stream(g, "new")),
    "logs:PutLogEvents": ("logs", "put_log_events", lambda g, _: of_stream(g, "old") | {"logEvents": EVENTS}),
    "logs:GetLogEvents": ("logs", "get_log_events", lambda g, _: of_stream(g, "old")),
    "logs:DeleteLogStream": ("logs", "delete_log_stream", lambda g, _: of_stream(g, "old")),
    "logs:DeleteLogGroup": ("logs", "delete_log_group", lambda g, _: {"logGroupName": g}),
    "glue:GetDatabase": ("glue", "get_database", lambda d, _: {"Name": d}),
    "glue:CreateDatabase": ("glue", "create_database", lambda d, _: {"DatabaseInput": {"Name": d}}),
    "glue:DeleteDatabase": ("glue", "delete_database", lambda d, _: {"Name": d}),
    "glue:GetTable": ("glue", "get_table", lambda t, _: {"DatabaseName": t[0], "Name": t[1]}),
    "glue:DeleteTable": ("glue", "delete_table", lambda t, _: {"DatabaseName": t[0], "Name": t[1]}),
    "glue:CreateTable": (
        "glue",
        "create_table",
        lambda t, _: {"DatabaseName": t[0], "TableInput": {"Name": t[1]}},
    ),
    "glue:UpdateTable": (
        "glue",
        "update_table",
        lambda t, _: {"DatabaseName": t[0], "TableInput": {"Name": t[1]}},
    ),
    "glue:GetPartition": ("glue", "get_partition", lambda t, _: of_table(t) | {"PartitionValues": ["x"]}),
    "glue:GetPartitions": ("glue", "get_partitions", lambda t, _: of_table(t)),
    "glue:DeletePartition": (
        "glue",
        "delete_partition",
        lambda t, _: of_table(t) | {"PartitionValues": ["x"]},
    ),
    "glue:CreatePartition": (
        "glue",
        "create_partition",
        lambda t, _: of_table(t) | {"PartitionInput": {"Values": ["x"]}},
    ),
    "glue:UpdatePartition": (
        "glue",
        "update_partition",
        lambda t, _: of_table(t) | {"PartitionValueList": ["x"], "PartitionInput": {"Values": ["x"]}},
    ),
    "athena:StartQueryExecution": (
        "athena",
        "start_query_execution",
        lambda w, _: {"WorkGroup": w[0], "QueryString": "SELECT 1"},
    ),
    "athena:GetQueryExecution": ("athena", "get_query_execution", lambda w, _: {"QueryExecutionId": w[1]}),
    "athena:GetQueryResults": ("athena", "get_query_results", lambda w, _: {"QueryExecutionId": w[1]}),
    "athena:StopQueryExecution": ("athena", "stop_query_execution", lambda w, _: {"QueryExecutionId": w[1]}),
    "athena:UpdateWorkGroup": ("athena", "update_work_group", lambda w, _: {"WorkGroup": w[0]}),
    "ec2:StopInstances": ("ec2", "stop_instances", lambda i, _: {"InstanceIds": [i]}),
    "ec2:StartInstances": ("ec2", "start_instances", lambda i, _: {"InstanceIds": [i]}),
    "ec2:CreateImage": ("ec2", "create_image", lambda i, _: {"InstanceId": i, "Name": f"image-of-{i}"}),
    "ec2:DeregisterImage": ("ec2", "deregister_image", lambda i, _: {"ImageId": i}),
    "ec2:ModifyImageAttribute": (
        "ec2",
        "modify_image_attribute",
        lambda i, _: {"ImageId": i, "LaunchPermission": {"Add": [{"UserId": "111122223333"}]}},
    ),
    "ec2:DescribeImages": ("ec2", "describe_images", lambda *_: {}),
    "ec2:DeleteSecurityGroup": ("ec2", "delete_security_group", lambda g, _: {"GroupId": g}),
    "ec2:CreateSecurityGroup": ("ec2", "create_security_group", lambda group, _: group),
    "ec2:AuthorizeSecurityGroupIngress": (
        "ec2",
        "authorize_security_group_ingress",
        lambda g, _: {"GroupId": g, "IpPermissions": INGRESS},
    ),
    "ec2:RevokeSecurityGroupIngress": (
        "ec2",
        "revoke_security_group_ingress",
        lambda g, _: {"GroupId": g, "IpPermissions": INGRESS},
    ),
    "s3:PutObject": ("s3", "put_object", lambda o, _: {"Bucket": o[0], "Key": o[1], "Body": b"y"}),
    "s3:GetObject": ("s3", "get_object", lambda o, _: {"Bucket": o[0], "Key": o[1]}),
    "s3:DeleteObject": ("s3", "delete_object", lambda o, _: {"Bucket": o[0], "Key": o[1]}),
    "s3:ListBucket": ("s3", "list_objects_v2", lambda o, _: {"Bucket": o[0], "Prefix": o[1]}),
}


@pytest.fixture
def emr() -> EmrService:
    """EMR whose clusters are all hollow."""
    store = Store(SystemClock(), lambda _: pytest.fail("only hollow clusters here"), lambda n: n, Hollow())
    return EmrService(store)


def may(client: Any, action: str, thing: Any, tags: Tags) -> bool:
    """Return whether a call is not refused; what else becomes of it is other tests' matter."""
    _, method, request = CALLS[action]
    try:
        getattr(client, method)(**request(thing, tags))
    except ClientError as problem:
        return problem.response["Error"]["Code"] not in REFUSED
    return True


@pytest.mark.parametrize("section", TABLE["sections"], ids=lambda section: section["title"])
def test_the_shipped_policies_allow_what_the_table_says_and_nothing_else(
    endpoint: Any, section: dict[str, Any]
) -> None:
    world = World(endpoint)
    wrong = []
    for row in section["rows"]:
        for action, (thing, named) in itertools.product(row["actions"], row["to"].items()):
            service, tags = CALLS[action][0], row.get("with", {})
            found = {
                name
                for name, client in world.people.items()
                if may(client(service), action, world.make(TABLE["things"][thing]), tags)
            }
            if found != set(named):
                wrong.append((action, thing, tags, "may:", sorted(found), "table:", named))
    assert not wrong, json.dumps(wrong, indent=1)


def test_the_table_speaks_of_known_people_things_and_calls_only() -> None:
    rows = [row for section in TABLE["sections"] for row in section["rows"]]
    assert {action for row in rows for action in row["actions"]} == CALLS.keys()
    assert {thing for row in rows for thing in row["to"]} == TABLE["things"].keys()
    assert {name for row in rows for names in row["to"].values() for name in names} < set(TABLE["principals"])
