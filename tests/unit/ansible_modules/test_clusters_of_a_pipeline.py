"""The modules on an existing cluster, and for a cluster that ends by itself: the same as the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape
from shared_cluster import launched, neighbour

from kiln.ansible_modules import cluster, cluster_info, options, step
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context

PLACE = {"region": "us-east-1", "state_uri": "s3://state/kiln", "poll_interval_seconds": 5.0}
RUN = {"pipeline": "model_building", "environment": "local", "run_id": "r1"}
STEPS = [{"name": name, "jar": "command-runner.jar", "args": ["true"]} for name in ("sd", "cdd")]


class Module:
    """What AnsibleModule would be with these options."""

    check_mode = False

    def __init__(self, spec: dict[str, Any], given: dict[str, Any]) -> None:
        self.params = {name: option.get("default") for name, option in spec.items()} | given


def launch(context: Context, **changes: Any) -> dict[str, Any]:
    wanted = {key: value for key, value in msgspec.to_builtins(shape()).items() if value is not None}
    given = PLACE | RUN | wanted | {"owner": "ops"} | changes
    return cluster.work(context, Module(options.CLUSTER, given))


def run_steps(context: Context, cluster_id: str, **changes: Any) -> dict[str, Any]:
    given = PLACE | RUN | {"cluster_id": cluster_id, "steps": STEPS} | changes
    return step.work(context, Module(options.STEP, given))


def test_launch_steps_and_end_on_an_existing_cluster_leave_it_and_its_other_steps(
    context: Context, aws: FakeAws, reported: list[str]
) -> None:
    cluster_id = launched(aws)
    other = neighbour(aws, cluster_id)
    first, again = (launch(context, existing={"id": cluster_id}) for _ in range(2))
    assert (first["changed"], again["changed"]) == (True, False)
    assert (first["cluster"]["id"], first["cluster"]["run_id"]) == (cluster_id, "r1")
    assert "not launched, and it stays" in first["message"]
    found = cluster_info.work(context, Module(options.CLUSTER_INFO, PLACE | RUN | {"one": True}))
    assert [(one["id"], one["run_id"]) for one in found["clusters"]] == [(cluster_id, "r1")]
    assert [one["state"] for one in run_steps(context, cluster_id)["steps"]] == ["COMPLETED", "COMPLETED"]
    assert cluster.work(context, Module(options.CLUSTER, PLACE | RUN | {"state": "absent"}))["cluster"] == {}
    assert f"cluster {cluster_id} is shared: it stays" in reported
    assert aws.live() == [cluster_id]
    assert other.cancelled_at is None


def test_steps_of_a_run_that_does_not_use_the_cluster_are_refused(context: Context, aws: FakeAws) -> None:
    with pytest.raises(ClusterNotFoundError, match="is no cluster of Kiln's"):
        run_steps(context, launched(aws))


def test_a_cluster_that_ends_by_itself_is_launched_with_what_the_run_has_left(
    context: Context, aws: FakeAws
) -> None:
    own_end = {"keep_alive": False, "steps": STEPS}
    assert launch(context, **own_end)["changed"] is True
    named = launch(context, **own_end, run_id="r2", launched_steps=["cdd"], allow_second=True)
    assert named["cluster"]["state"] in {"RUNNING", "TERMINATING"}
    sent = [[one["Name"] for one in made.request["Steps"]] for made in aws.clusters.values()]
    assert sent == [["sd", "cdd"], ["cdd"]]


def test_a_program_of_kilns_own_is_in_s3_before_the_launch_that_has_its_step(
    context: Context, aws: FakeAws
) -> None:
    there: list[str] = []

    def look(_: int) -> None:
        if aws.calls[-1] == "RunJobFlow":
            there.extend(aws.objects)

    aws.before_call = look
    launch(context, keep_alive=False, steps=[{"name": "check", "check_data": {"path": "s3://data/day/"}}])
    (step,) = aws.clusters["j-0001"].request["Steps"]
    (program,) = [word for word in step["HadoopJarStep"]["Args"] if word.endswith("-check_data.py")]
    assert program in there
    assert program.startswith("s3://state/kiln/nodes/local/program/")
