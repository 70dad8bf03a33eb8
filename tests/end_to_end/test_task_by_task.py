"""Actions one by one, as Airflow calls them and as ops do by hand, on two clusters of one pipeline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from account import PRIVATE_KEY
from local_world import CHECKOUT, DATE, HANG_SECONDS, finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import World

NODES_DIFFER, STEP_FAILED, AMBIGUOUS = 13, 14, 18
# What the FIRST one's nodes get beside the pipeline's own items.
PLACED = "/etc/profile.d/team.sh"
ITEMS = json.dumps(
    {
        "emr_node_files": [{"path": PLACED, "content": "export TEAM=risk\n"}],
        "emr_node_system_settings": {"kernel": {"net.core.somaxconn": 4321}},
    }
)
# A step that runs until the test says so.
WAIT = "while [ ! -e ~/go-on ]; do sleep 1; done"
# New in each session: the box may have been up before.
FIRST, SECOND = (f"{name}-{uuid4().hex[:8]}" for name in ("first", "second"))


def changes(recap: str) -> dict[str, int]:
    """Return, by host, how many tasks changed something; fail when any failed."""
    rows = re.findall(
        r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", recap, re.MULTILINE
    )
    assert rows, recap
    assert all(unreachable == failed == "0" for _, _, unreachable, failed in rows), recap
    return {host: int(changed) for host, changed, _, _ in rows}


@pytest.fixture(scope="module")
def prepared(world: World) -> Iterator[World]:
    """Two live clusters of the pipeline; only the FIRST is provisioned and deployed."""
    # Without that the lock lets one run of a pipeline work at a time.
    both = ("-e", "kiln_parallel_runs=2")
    launched = world.kiln("run", "model_building", "launch", "--env", "local", "--run-id", SECOND, *both)
    assert launched.code == 0, launched.said
    actions = "launch,provision,deploy"
    which = ("--run-id", FIRST, "--date", DATE)
    done = world.kiln("run", "model_building", actions, "--env", "local", *which, *both, "-e", ITEMS)
    assert done.code == 0, done.said
    yield world
    for run_id in (FIRST, SECOND):
        ended = world.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", run_id)
        assert ended.code == 0, ended.said


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """Here the clusters live as long as the module; `prepared` ends them."""


def addresses(world: World, run_id: str, *groups: str) -> set[str]:
    emr = world.session.client("emr")
    wanted: Any = {"InstanceGroupTypes": groups} if groups else {}
    cluster_id = world.cluster_of(run_id)["Id"]
    instances = emr.list_instances(ClusterId=cluster_id, InstanceStates=["RUNNING"], **wanted)
    return {instance["PrivateIpAddress"] for instance in instances["Instances"]}


def on_node(world: World, address: str, *command: str) -> subprocess.CompletedProcess[str]:
    known = CHECKOUT / f".kiln/known_hosts/test-{FIRST}"  # addresses come back with other keys
    options = (
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "StrictHostKeyChecking=accept-new",
        "-o",
        "BatchMode=yes",
    )
    ssh = ["ssh", "-i", str(PRIVATE_KEY), *options, f"hadoop@{address}", *command]
    assert world
    return subprocess.run(ssh, check=False, capture_output=True, text=True, timeout=HANG_SECONDS)


def test_provision_and_deploy_again_change_nothing(prepared: World) -> None:
    for name in ("provision", "deploy"):
        extra = ["--vault-password-file", ".kiln/vault/local.password"] if name == "deploy" else []
        which = ("-e", "pipeline=model_building", "-e", f"run_id={FIRST}", "-e", ITEMS)
        again = prepared.playbook(name, *which, *extra)
        assert again.returncode == 0, again.stdout + again.stderr
        changed = changes(again.stdout)
        assert set(changed.values()) == {0}, again.stdout
        assert addresses(prepared, FIRST) <= set(changed)


def test_a_limit_and_a_tag_choose_nodes_and_a_phase(prepared: World) -> None:
    master = addresses(prepared, FIRST, "MASTER")
    cluster = f"tag_cluster_name_kiln_local_model_building_{FIRST.replace('-', '_')}"
    choices = {"emr_master": master, cluster: addresses(prepared, FIRST), next(iter(master)): master}
    for limit, nodes in choices.items():
        one = ("-e", "pipeline=model_building", "-e", f"run_id={FIRST}", "-e", ITEMS, "--limit", limit)
        done = prepared.playbook("provision", *one, "--tags", "packages")
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(changes(done.stdout)) == {"localhost", *nodes}
        assert f"packages: {len(nodes)} node" in done.stdout
        assert "environment: " not in done.stdout


def test_check_mode_tells_what_would_change_on_bare_nodes_and_changes_nothing(prepared: World) -> None:
    bare = addresses(prepared, SECOND)
    checked = prepared.playbook(
        "provision", "-e", "pipeline=model_building", "-e", f"run_id={SECOND}", "--check"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    changed = changes(checked.stdout)
    assert all(changed[address] for address in bare), checked.stdout


def test_only_the_named_cluster_was_touched(prepared: World) -> None:
    for run_id, expected in ((FIRST, 0), (SECOND, 2)):
        for address in addresses(prepared, run_id):
            listed = on_node(prepared, address, "ls", "/opt/kiln/models/model_repo/current")
            assert listed.returncode == expected, (run_id, address, listed)


def test_two_live_clusters_and_no_run_id_fail_and_are_listed(prepared: World) -> None:
    by_hand = prepared.playbook("provision", "-e", "pipeline=model_building")
    assert by_hand.returncode != 0
    driven = prepared.kiln("run", "model_building", "sd", "--env", "local")
    assert driven.code == AMBIGUOUS, driven.said
    for run_id in (FIRST, SECOND):
        cluster = prepared.cluster_of(run_id)["Id"]
        assert cluster in by_hand.stdout + by_hand.stderr
        assert cluster in driven.said


def test_the_secrets_file_is_for_hadoop_only(prepared: World) -> None:
    for address in addresses(prepared, FIRST):
        shown = on_node(prepared, address, "stat", "-c", "%U:%a", ".kiln/secrets/model_building.json")
        assert shown.stdout.strip() == "hadoop:600", shown


def test_a_launch_that_is_repeated_finds_its_cluster(prepared: World) -> None:
    before = prepared.cluster_of(FIRST)["Id"]
    again = prepared.kiln("run", "model_building", "launch", "--env", "local", "--run-id", FIRST)
    assert again.code == 0, again.said
    assert prepared.cluster_of(FIRST)["Id"] == before


def verified(world: World) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `kiln verify` and what it says about the nodes, by address."""
    which = ("--env", "local", "--run-id", FIRST, "-e", ITEMS)
    shown = world.kiln("verify", "model_building", *which, "-o", "json")
    return shown.code, {one["node"]: one for one in shown.result["nodes"]}


def test_a_node_that_differs_is_found_and_named(prepared: World) -> None:
    code, nodes = verified(prepared)
    assert (code, set(nodes)) == (0, addresses(prepared, FIRST))
    (core, *_) = sorted(addresses(prepared, FIRST, "CORE"))
    assert on_node(prepared, core, "sudo rm /opt/kiln/models/model_repo/current").returncode == 0
    code, nodes = verified(prepared)
    assert code == NODES_DIFFER
    differing = {name: one["items"] for name, one in nodes.items() if one["differs"]}
    labels = ("packages", "files", "system_settings", "environment", "release", "secrets")
    assert differing == {core: dict.fromkeys(labels, "ok") | {"release": "differs"}}
    again = prepared.kiln("run", "model_building", "deploy", "--env", "local", "--run-id", FIRST)
    assert again.code == 0, again.said
    assert verified(prepared)[0] == 0
    assert on_node(prepared, core, f"echo 'export TEAM=other' | sudo tee {PLACED}").returncode == 0
    code, nodes = verified(prepared)
    assert (code, nodes[core]["items"]["files"]) == (NODES_DIFFER, "differs")
    which = ("--env", "local", "--run-id", FIRST)
    assert prepared.kiln("run", "model_building", "provision", *which, "-e", ITEMS).code == 0
    assert verified(prepared)[0] == 0


def test_a_node_that_joins_while_a_step_runs_has_everything_before_hadoop_runs_on_it(
    prepared: World,
) -> None:
    """All but the secrets by its bootstrap action; these by the driver that runs."""
    emr, cluster = prepared.session.client("emr"), prepared.cluster_of(FIRST)["Id"]
    before = addresses(prepared, FIRST)
    wait = [{"name": "wait", "jar": "command-runner.jar", "args": ["bash", "-c", WAIT]}]
    steps = ("-e", json.dumps({"steps": wait}))
    which = ("--env", "local", "--run-id", FIRST)
    driver = prepared.start_kiln("run", "model_building", "wait", *which, *steps, "-e", ITEMS)
    groups = emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"]
    core = next(group for group in groups if group["InstanceGroupType"] == "CORE")
    emr.modify_instance_groups(
        ClusterId=cluster,
        InstanceGroups=[{"InstanceGroupId": core["Id"], "InstanceCount": core["RequestedInstanceCount"] + 1}],
    )
    ends_at = time.monotonic() + HANG_SECONDS
    while not (joined := addresses(prepared, FIRST) - before):
        assert time.monotonic() < ends_at
        assert driver.poll() is None, finished(driver).said
        time.sleep(1)
    (new,) = joined
    # Nothing was brought after the bootstrap action: Hadoop began on a whole node.
    log = on_node(prepared, new, "cat", "/mnt/var/log/bootstrap-actions/1/stdout").stdout
    assert re.fullmatch(
        r"packages changed .*\nfiles changed .*\nsystem_settings changed .*\n"
        r"environment changed .*\nrelease changed .*\nsecrets there\n",
        log,
    ), log
    shown = on_node(prepared, new, f"cat {PLACED} /proc/sys/net/core/somaxconn")
    assert shown.stdout == "export TEAM=risk\n4321\n", shown
    for address in before:
        assert on_node(prepared, address, "touch", "go-on").returncode == 0
    done = finished(driver)
    assert done.code == 0, done.said
    assert f"setting up {new}" in done.said
    code, nodes = verified(prepared)
    assert (code, set(nodes)) == (0, before | joined)


def test_a_failing_step_shows_its_own_traceback_and_keeps_the_cluster(prepared: World) -> None:
    key = f"broken/messages/date={DATE}/part-0.parquet"
    prepared.session.client("s3").put_object(Bucket="kiln-local-data", Key=key, Body=b"this is no Parquet")
    finished = prepared.kiln(
        *("run", "model_building", "sd", "--env", "local", "--run-id", FIRST, "--date", DATE),
        *("-e", "model_building_input_uri=s3://kiln-local-data/broken"),
    )
    assert finished.code == STEP_FAILED, finished.said
    cluster = prepared.cluster_of(FIRST)
    # The job runs in cluster deploy mode: this is the driver's own output, from its YARN container.
    assert "Traceback (most recent call last)" in finished.said
    assert "sd.py" in finished.said
    assert "kiln diagnose model_building" in finished.said
    assert f"s3://kiln-local-logs/emr/{cluster['Id']}/" in finished.said
    assert cluster["Status"]["State"] == "WAITING"


def test_the_aws_cli_reads_the_steps_and_ends_a_cluster(prepared: World) -> None:
    """Through `eval "$(emrbox env)"`, as the README says."""
    aws = CHECKOUT / ".venvs/awscli/bin/aws"
    cluster = prepared.cluster_of(FIRST)["Id"]
    script = f"""
        eval "$({CHECKOUT}/.venv/bin/emrbox env)"
        {aws} emr list-clusters --active --query 'Clusters[].Id' --output text
        {aws} emr describe-cluster --cluster-id {cluster} --query Cluster.Status.State --output text
        {aws} emr list-steps --cluster-id {cluster} --query 'Steps[].Status.State' --output text
        {aws} emr terminate-clusters --cluster-ids {cluster}
    """
    shown = subprocess.run(
        ["bash", "-euc", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=os.environ,
    )
    assert shown.returncode == 0, shown.stderr
    listed, state, steps = shown.stdout.splitlines()[:3]
    assert cluster in listed.split()
    assert state in {"WAITING", "RUNNING"}
    assert "FAILED" in steps
    prepared.session.client("emr").get_waiter("cluster_terminated").wait(
        ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 180}
    )
