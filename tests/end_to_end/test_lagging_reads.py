"""EMR's reads lag and an answer is lost; tags are removed: one cluster, and its end is proven or exit 20."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from local_world import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import Finished, World

OK, NOT_TERMINATED = 0, 20
LAG_SECONDS = 6


def fault(*arguments: str) -> None:
    subprocess.run([CHECKOUT / ".venv/bin/emrbox", "fault", *arguments], check=True, capture_output=True)


@pytest.fixture
def _no_faults_after() -> Iterator[None]:
    yield
    fault("clear")


def act(world: World, action: str, run_id: str, *more: str) -> Finished:
    # A hollow cluster: what EMR shows of it is what these tests are about.
    hollow = ("-e", '{"emr_cluster_tags": {"emrbox:hollow": "true"}}')
    return world.kiln("run", "model_building", action, "--env", "local", "--run-id", run_id, *hollow, *more)


def tags_of(world: World, cluster_id: str) -> Any:
    described = world.session.client("emr").describe_cluster(ClusterId=cluster_id)
    return described["Cluster"]["Tags"]


@pytest.mark.usefixtures("_no_faults_after")
def test_a_lost_launch_on_lagging_reads_is_found_and_ended(world: World) -> None:
    run_id = f"lag-{uuid4().hex[:8]}"
    fault("add", "lag", f"seconds={LAG_SECONDS}")
    fault("add", "lost-reply", "--operation", "RunJobFlow", "--count", "1")
    launched = act(world, "launch", run_id)
    assert launched.code == OK, launched.said
    cluster = world.cluster_of(run_id)  # fails when there are two
    assert launched.result["cluster_id"] == cluster["Id"]
    again = act(world, "launch", run_id)
    assert (again.code, again.result["cluster_id"]) == (OK, cluster["Id"]), again.said
    ended = act(world, "terminate", run_id)
    assert ended.code == OK, ended.said
    fault("clear")
    assert world.cluster_of(run_id)["Status"]["State"] == "TERMINATED"


def test_a_cluster_whose_tags_were_removed_is_not_called_gone(world: World) -> None:
    run_id = f"tags-{uuid4().hex[:8]}"
    assert act(world, "launch", run_id).code == OK
    cluster_id = world.cluster_of(run_id)["Id"]
    emr = world.session.client("emr")
    kept = tags_of(world, cluster_id)
    emr.remove_tags(ResourceId=cluster_id, TagKeys=[tag["Key"] for tag in kept])
    # The operator's policy lets it end only what carries its tags.
    refused = act(world, "terminate", run_id, "-e", "kiln_terminate_timeout_seconds=5")
    assert refused.code == NOT_TERMINATED, refused.said
    assert cluster_id in refused.said
    emr.add_tags(ResourceId=cluster_id, Tags=[tag for tag in kept if not tag["Key"].startswith("aws:")])
    ended = act(world, "terminate", run_id)
    assert (ended.code, ended.result["cluster_state"]) == (OK, "TERMINATED"), ended.said
