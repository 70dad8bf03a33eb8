"""A process that serves an AWS account with one cluster of Kiln's among the instances of many others.

The endpoint is emrbox's, with a hollow cluster: EC2 does not know the machines of such a one, so here they
get the ids and addresses of plain instances of moto's, which boot nothing. Prints a line of JSON when it
serves.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import moto.settings

sys.path.append(str(Path(__file__).resolve().parents[1] / "emrbox/tests/helpers"))

from endpoint import ADMIN, Endpoint
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from emrbox.aws import resource_tags
from emrbox.config import REGION
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.store import Store

PIPELINE, RUN = "model_building", "bench"
TAGS = {
    "managed_by": "kiln",
    "environment": "local",
    "pipeline": PIPELINE,
    "run_id": RUN,
    "cluster_name": f"kiln-local-{PIPELINE}-{RUN}",
    "expires_at": "2030-01-01T00:00:00Z",
}
JOB_FLOW, ROLE = "aws:elasticmapreduce:job-flow-id", "aws:elasticmapreduce:instance-group-role"
# Instances of a reservation: moto gives 100 reservations a page, so that a page has 1,000 instances as EC2's.
PER_CALL = 10


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=200)
    options = parser.parse_args()
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    resource_tags.find_by_id()
    store = Store(SystemClock(), lambda _: _refuse(), lambda name: name, Hollow())
    with tempfile.TemporaryDirectory() as folder:
        endpoint = Endpoint(Path(folder), EmrService(store))
        endpoint.client("s3").create_bucket(Bucket="kiln-local-state")
        cluster_id = _launch_cluster(endpoint, options.nodes)
        # Asked once: moto takes a minute for it when there are many instances.
        image = endpoint.client("ec2").describe_images()["Images"][0]["ImageId"]
        found = _launch_instances(endpoint, image, options.instances - options.nodes, "j-OTHERCLUSTERS")
        assert len(found) == options.instances - options.nodes
        _give_machines(store, _launch_instances(endpoint, image, options.nodes, cluster_id))
        print(json.dumps({"url": endpoint.url, "cluster_id": cluster_id, "keys": ADMIN}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        endpoint.stop()
    return 0


def _refuse() -> Any:
    raise NotImplementedError("only hollow clusters here")


def _launch_cluster(endpoint: Endpoint, nodes: int) -> str:
    groups = [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": nodes - 1},
    ]
    emr, iam = endpoint.client("emr"), endpoint.client("iam")
    iam.create_role(RoleName="nodes", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="nodes")
    iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
    cluster_id = emr.run_job_flow(
        Name=TAGS["cluster_name"],
        ReleaseLabel="emr-spark-8.0.0",
        ServiceRole="nodes",
        JobFlowRole="nodes",
        Instances={"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
        Tags=_listed({**TAGS, "emrbox:hollow": "true"}),
    )["JobFlowId"]
    emr.get_waiter("cluster_running").wait(ClusterId=cluster_id, WaiterConfig={"Delay": 1})
    return str(cluster_id)


def _launch_instances(endpoint: Endpoint, image: str, count: int, cluster_id: str) -> list[dict[str, str]]:
    ec2 = endpoint.client("ec2")
    found: list[dict[str, str]] = []
    while len(found) < count:
        number = min(PER_CALL, count - len(found))
        launched = ec2.run_instances(
            ImageId=image,
            MinCount=number,
            MaxCount=number,
            TagSpecifications=[{"ResourceType": "instance", "Tags": _listed(TAGS)}],
        )["Instances"]
        # Only AWS itself sets tags with this prefix: the API refuses them.
        backend = ec2_backends[DEFAULT_ACCOUNT_ID][REGION]
        backend.create_tags([one["InstanceId"] for one in launched], {JOB_FLOW: cluster_id, ROLE: "CORE"})
        found += [{"id": one["InstanceId"], "address": one["PrivateIpAddress"]} for one in launched]
    return found


def _give_machines(store: Store, machines: list[dict[str, str]]) -> None:
    (cluster,) = store.all()
    nodes = [node for group in cluster.groups for node in group.instances]
    for node, machine in zip(nodes, machines, strict=True):
        node.ec2_id, node.private_ip = machine["id"], machine["address"]


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


if __name__ == "__main__":
    sys.exit(main())
