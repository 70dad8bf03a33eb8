"""A held cluster with real nodes: commands on them, the master's web pages, the end of the hold."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pages
import pytest
from local_world import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import World

RUN = f"held-{uuid4().hex[:8]}"
NAMED = ("model_building", "--env", "local", "--run-id", RUN)
LAST_YEAR = "2025-01-01T00:00:00Z"
YARN, SPARK_HISTORY = 8088, 18_080


@pytest.fixture(scope="module")
def held(world: World) -> Iterator[World]:
    """One live cluster of a master and a core node, launched and kept by a single action."""
    launched = world.kiln(
        *("run", "model_building", "launch", "--env", "local", "--run-id", RUN),
        *("-e", "emr_cluster_core_count=1"),
    )
    assert launched.code == 0, launched.said
    yield world
    world.session.client("emr").terminate_job_flows(JobFlowIds=[world.cluster_of(RUN)["Id"]])
    world.session.client("emr").get_waiter("cluster_terminated").wait(
        ClusterId=world.cluster_of(RUN)["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 180}
    )


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """Here the cluster lives as long as the module; `held` ends it."""


def shell(world: World, *words: str) -> tuple[int, str, str]:
    child = world.start_kiln("ssh", *words)
    output, said = child.communicate(timeout=HANG_SECONDS)
    return child.returncode, output, said


def test_a_command_runs_on_the_node_that_is_named_with_its_exit_code(held: World) -> None:
    emr = held.session.client("emr")
    listed = emr.list_instances(ClusterId=held.cluster_of(RUN)["Id"])["Instances"]
    addresses = {one["PrivateIpAddress"] for one in listed}
    found = {
        shell(held, *NAMED, *node, "--", "hostname", "-I")[1].strip() for node in ((), ("--node", "core-1"))
    }
    assert found == addresses
    assert shell(held, *NAMED, "--", "echo said >&2; exit 7") == (7, "", "said\n")
    by_id = shell(held, *NAMED, "--node", listed[0]["Ec2InstanceId"], "--", "hostname", "-I")
    assert by_id[1].strip() == listed[0]["PrivateIpAddress"]


def test_the_commands_of_the_page_hold_and_debug_a_cluster(held: World) -> None:
    variables = {"KILN_ENV": "local", "RUN": RUN}
    done = pages.run(pages.commands("held_cluster.md", "hold"), variables)
    assert done.returncode == 0, done.stderr
    assert "held for debugging until" in done.stdout
    done = pages.run(pages.commands("held_cluster.md", "debug"), variables)
    assert done.returncode == 0, done.stderr
    assert "Total number of applications" in done.stdout
    assert "Filesystem" in done.stdout
    swept = held.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert {row["action"] for row in swept.result["rows"]} == {"keep"}, swept.result


def opened(world: World) -> tuple[subprocess.Popen[str], dict[int, dict[str, Any]]]:
    child = world.start_kiln("tunnel", *NAMED, "-o", "json")
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, child.communicate(timeout=HANG_SECONDS)[1]
    return child, {page["port"]: page for page in json.loads(line)["pages"]}


def ssh_of(child: subprocess.Popen[str]) -> int:
    """Return the process id of the tunnel's ssh."""
    [found] = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(child.pid)], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(found)


def wait_for_the_end_of(process: int) -> None:
    subprocess.run(["tail", f"--pid={process}", "-f", os.devnull], check=True, timeout=HANG_SECONDS)


def test_the_tunnel_opens_the_pages_that_answer_and_ends_with_ctrl_c(held: World) -> None:
    child, found = opened(held)
    assert (found[YARN]["answers"], found[SPARK_HISTORY]["answers"]) == (True, False)
    connection = http.client.HTTPConnection(urlsplit(found[YARN]["address"]).netloc, timeout=HANG_SECONDS)
    connection.request("GET", "/ws/v1/cluster/info")
    assert json.load(connection.getresponse())["clusterInfo"]["state"] == "STARTED"
    connection.close()
    ssh = ssh_of(child)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=HANG_SECONDS)
    assert (child.returncode, said.splitlines()[-1]) == (0, "kiln: tunnel closed")
    wait_for_the_end_of(ssh)


def test_no_ssh_outlives_a_tunnel_that_is_killed(held: World) -> None:
    child, _ = opened(held)
    ssh = ssh_of(child)
    child.kill()
    child.communicate(timeout=HANG_SECONDS)
    wait_for_the_end_of(ssh)


def test_the_tunnel_ends_with_its_cluster_when_the_hold_is_over(held: World) -> None:
    child, _ = opened(held)
    tags: Any = [{"Key": "held_until", "Value": LAST_YEAR}]
    held.session.client("emr").add_tags(ResourceId=held.cluster_of(RUN)["Id"], Tags=tags)
    swept = held.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert (swept.code, [row["reason"] for row in swept.result["rows"]]) == (0, ["held_too_long"])
    _, said = child.communicate(timeout=HANG_SECONDS)
    assert (child.returncode, said.splitlines()[-1].endswith("tunnel closed")) == (0, True), said
    done = pages.run(pages.commands("held_cluster.md", "end"), {"KILN_ENV": "local", "RUN": RUN})
    assert done.returncode == 0, done.stderr
