"""A cluster that a team has launched, in the account in memory, and the steps of others on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes import BOOT_SECONDS, START, shape

from kiln.aws.effects import Ec2Instance, StepRequest
from kiln.emr import ec2_nodes, existing
from kiln.emr.request import launch_request
from kiln.identity import Identity

if TYPE_CHECKING:
    from fakes import FakeAws, FakeStep

SHARED = {existing.SHARED_WITH: "local"}
OWNER = Identity(environment="local", pipeline="hub", run_id="h1", owner="team")


def launched(
    aws: FakeAws, tags: dict[str, str] | None = None, *, name: str = "team", ours: bool = False
) -> str:
    """Launch a cluster and wait until it is up; return its id. `ours`: by Kiln, for a run of its own."""
    request = launch_request(OWNER, shape(step_concurrency_level=10), START)
    given = SHARED if tags is None else tags
    if not ours:
        request |= {"Name": name, "Tags": []}
    request["Tags"] = [*request["Tags"], *({"Key": key, "Value": given[key]} for key in given)]
    cluster_id = aws.run_job_flow(request)
    aws.clock.seconds += BOOT_SECONDS
    number = f"{len(aws.clusters):017x}"
    aws.instances[f"i-{number}"] = Ec2Instance(
        id=f"i-{number}",
        state="running",
        launched_at=START,
        private_ip_address="10.0.0.1",
        tags={**given, ec2_nodes.JOB_FLOW_TAG: cluster_id},
    )
    return cluster_id


def neighbour(aws: FakeAws, cluster_id: str, name: str = "sd", run: str = "local/clicks/r9") -> FakeStep:
    """Add a step of another run, which works for a day."""
    cluster = aws.clusters[cluster_id]
    aws.add_steps(cluster_id, [StepRequest(name=name, run=run, jar="command-runner.jar", args=("true",))])
    cluster.steps[-1].seconds = 86_400.0
    return cluster.steps[-1]
