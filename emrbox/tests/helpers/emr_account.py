"""The account of a test's box: roles, a bucket, and EMR as its administrator uses it."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

from waiting import HANG_SECONDS, wait_until

SERVICE_ROLE = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:CreateSecurityGroup",
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:RunInstances",
                "ec2:TerminateInstances",
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::123456789012:role/nodes",
            "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        },
    ]
}
NODES_ROLE = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
BUCKET = "emr-test"
EMR_GROUPS, SSH, YARN = ("ElasticMapReduce-master", "ElasticMapReduce-slave"), 22, 8088


class Account:
    """The box's account as its administrator sees it."""

    def __init__(self, box: Any) -> None:
        self.emr, self.s3, self.ec2, self.iam = map(box.client, ("emr", "s3", "ec2", "iam"))
        self.s3.create_bucket(Bucket=BUCKET)
        self.make_role("service", "elasticmapreduce.amazonaws.com", SERVICE_ROLE)
        self.make_role("nodes", "ec2.amazonaws.com", NODES_ROLE)
        self.iam.create_instance_profile(InstanceProfileName="nodes")
        self.iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        # The groups that EMR would make, before their first cluster: EMR adds its own rules to them.
        for name in EMR_GROUPS:
            self.ec2.create_security_group(GroupName=name, Description="made before the first cluster")
            box.open_ports(name, SSH, YARN)

    def make_role(self, name: str, principal: str | list[str], policy: dict[str, Any]) -> None:
        trust = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document(policy)))

    def launch(self, cores: int, **changes: Any) -> str:
        groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
        if cores:
            groups.append({"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": cores})
        request: dict[str, Any] = {
            "Name": "test",
            "ReleaseLabel": "emr-spark-8.0.0",
            "Applications": [{"Name": "Spark"}],
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
            "LogUri": f"s3://{BUCKET}/logs/",
            "Instances": {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
            "Tags": [{"Key": "run_id", "Value": "1"}],
            **changes,
        }
        return str(self.emr.run_job_flow(**request)["JobFlowId"])

    def until(self, cluster_id: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            cluster = self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
            if cluster["Status"]["State"] in states:
                return dict(cluster)
            assert time.monotonic() < deadline, cluster["Status"]
            assert "TERMINATED" not in cluster["Status"]["State"], cluster["Status"]
            time.sleep(0.2)

    def run_step(self, cluster_id: str, *args: str, jar: str = "command-runner.jar") -> dict[str, Any]:
        step = {"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": jar, "Args": list(args)}}
        step_id = self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])["StepIds"][0]

        def ended() -> dict[str, Any] | None:
            found = dict(self.emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"])
            return None if found["Status"]["State"] in {"PENDING", "RUNNING"} else found

        return dict(wait_until(ended))

    def log(self, key: str) -> str:
        return self.raw_log(key).decode()

    def raw_log(self, key: str) -> bytes:
        return gzip.decompress(self.s3.get_object(Bucket=BUCKET, Key=f"logs/{key}")["Body"].read())

    def keys(self, prefix: str) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"logs/{prefix}")
        return {o["Key"].removeprefix(f"logs/{prefix}") for page in pages for o in page.get("Contents", [])}

    def instances(self, cluster_id: str) -> list[dict[str, Any]]:
        tag = {"Name": "tag:aws:elasticmapreduce:job-flow-id", "Values": [cluster_id]}
        answer = self.ec2.describe_instances(Filters=[tag])
        return [i for r in answer["Reservations"] for i in r["Instances"]]


def document(policy: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", **policy}
