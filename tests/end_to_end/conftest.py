"""One local world for all tests of this folder: the demo's, on a small data set."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from local import make_local_account
from local_world import CHECKOUT, DATE, MESSAGES, SEED, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    emrbox = CHECKOUT / ".venv/bin/emrbox"
    was_up = subprocess.run([emrbox, "status"], check=False, capture_output=True).returncode == 0
    session, folder = make_local_account(MESSAGES, SEED, DATE, {})
    made = World(session, folder)
    if live := [cluster["Name"] for cluster in made.live_clusters()]:
        pytest.fail(f"these tests end every cluster in this checkout's local AWS, and there are {live}")
    yield made
    if not was_up:
        subprocess.run([emrbox, "down"], check=True)


@pytest.fixture(autouse=True)
def _nothing_is_left_running(world: World) -> Iterator[None]:
    yield
    left = world.live_clusters()
    if left:
        world.session.client("emr").set_termination_protection(
            JobFlowIds=[item["Id"] for item in left], TerminationProtected=False
        )
        world.session.client("emr").terminate_job_flows(JobFlowIds=[item["Id"] for item in left])
    assert [item["Name"] for item in left] == []
    assert world.cluster_nodes() == []
