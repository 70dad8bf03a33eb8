"""Debian's Packer bakes from packer/ on the local AWS; an instance and a cluster boot from the image."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from account import KEY_PAIR, PRIVATE_KEY
from local_world import CHECKOUT, HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_world import World

# New in each session: the box may have been up before.
SESSION = uuid4().hex[:8]
# Small: what is baked into an image of 17 wheels is the same, and takes minutes.
REQUIREMENTS = ".kiln/local/image_requirements.txt"
SETTINGS = json.dumps(
    {
        "emr_node_os_packages": ["jq"],
        "emr_node_python_requirements": REQUIREMENTS,
        "node_image_imports": ["threadpoolctl"],
        # A tag of the builder, and nothing of the image's contents.
        "kiln_owner": f"owner-{SESSION}",
    }
)


def wanted(*actions: str) -> tuple[str, ...]:
    return ("run", "model_building", *actions, "--env", "local", "-e", SETTINGS)


def instances(world: World) -> list[dict[str, Any]]:
    """Return the plain instances of bakes that have not ended."""
    answer = world.session.client("ec2").describe_instances(
        Filters=[
            {"Name": "tag-key", "Values": ["image_bake"]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
    )
    return [dict(one) for held in answer["Reservations"] for one in held["Instances"]]


def groups(world: World) -> list[str]:
    answer = world.session.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag-key", "Values": ["image_bake"]}]
    )
    return [str(one["GroupId"]) for one in answer["SecurityGroups"]]


def images(world: World) -> dict[str, dict[str, Any]]:
    found = world.session.client("ec2").describe_images(Owners=["self"])["Images"]
    return {one["ImageId"]: dict(one) for one in found}


def tags_of(image: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in image["Tags"]}


def known_keys() -> str:
    """Return the host keys that this user has accepted."""
    file = Path.home() / ".ssh/known_hosts"
    return file.read_text() if file.exists() else ""


def kill_with_all_it_started(driver: subprocess.Popen[str]) -> None:
    """Kill a driver, its playbook and Packer: what is left of them when the machine dies."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True)
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.stdout.splitlines())}
    doomed = {driver.pid}
    while more := {pid for pid, parent in parents.items() if parent in doomed} - doomed:
        doomed |= more
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    driver.communicate()


def write_lock_file() -> None:
    lock = (CHECKOUT / "requirements/model_building.txt").read_text()
    (pinned,) = re.findall(r"^threadpoolctl==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", lock, re.MULTILINE)
    (CHECKOUT / REQUIREMENTS).write_text(pinned)


@pytest.fixture(scope="module")
def killed_bake(world: World) -> str:
    """Return the id of the builder that a bake has left whose machine died."""
    write_lock_file()
    driver = world.start_kiln(*wanted("bake_image"), "--run-id", f"killed-{SESSION}")
    ends_at = time.monotonic() + HANG_SECONDS
    while not (found := instances(world)):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < ends_at
        time.sleep(0.1)
    kill_with_all_it_started(driver)
    ec2 = world.session.client("ec2")
    # The tag stands for hours that a test cannot wait.
    ids = [found[0]["InstanceId"], *groups(world)]
    ec2.create_tags(Resources=ids, Tags=[{"Key": "expires_at", "Value": "2026-01-01T00:00:00Z"}])
    return str(ids[0])


@pytest.fixture(scope="module")
def baked(world: World, killed_bake: str) -> str:
    """Return the id of an image that `kiln run … bake_image` has made, after a bake that was killed."""
    swept = world.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert swept.code == 0, swept.said
    assert [(row["ended"], row["why"]) for row in swept.result["rows"] if row["id"] == killed_bake] == [
        (True, "expired at 2026-01-01T00:00:00Z")
    ]
    keys = known_keys()
    done = world.kiln(*wanted("bake_image"), "--run-id", f"bake-{SESSION}")
    assert done.code == 0, done.said
    assert known_keys() == keys, "the builder's address comes back with another machine"
    assert (done.result["verdict"], done.result["phase"]) == ("succeeded", None)
    return str(done.result["image"]["id"])


@pytest.fixture(scope="module")
def node(world: World, baked: str) -> Iterator[str]:
    """Return the address of an instance that was launched from it."""
    ec2 = world.session.client("ec2")
    launched = ec2.run_instances(
        ImageId=baked, InstanceType="m5.large", KeyName=KEY_PAIR, MinCount=1, MaxCount=1
    )["Instances"][0]
    ec2.get_waiter("instance_running").wait(
        InstanceIds=[launched["InstanceId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    yield str(launched["PrivateIpAddress"])
    ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])


def on_node(address: str, command: str, known_hosts: Path) -> str:
    options = ("StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known_hosts}", "IdentitiesOnly=yes")
    proxy = f"ProxyCommand='{CHECKOUT}/.venv/bin/emrbox' connect %h %p"
    done = subprocess.run(
        ["ssh", "-F", "none", "-i", str(PRIVATE_KEY)]
        + [word for option in (*options, proxy) for word in ("-o", option)]
        + [f"ec2-user@{address}", command],
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_the_image_is_encrypted_private_tagged_and_nothing_of_the_bake_is_left(
    world: World, baked: str
) -> None:
    image = images(world)[baked]
    tags = tags_of(image)
    assert (image["Public"], image["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]) == (False, True)
    assert (tags["kiln_image"], tags["managed_by"], tags["environment"]) == ("ready", "kiln", "local")
    assert (tags["release_label"], tags["packages"]) == ("emr-spark-8.0.0", "jq")
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    (shown,) = world.session.client("ec2").describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert (shown["Encrypted"], tags_of(shown)["kiln_image"]) == (True, "ready")
    assert (instances(world), groups(world)) == ([], [])


def test_a_machine_that_dies_in_a_bake_leaves_nothing_after_a_sweep_and_the_next_bake(
    world: World, killed_bake: str, baked: str
) -> None:
    assert baked in images(world)
    assert killed_bake not in [one["InstanceId"] for one in instances(world)]
    assert groups(world) == []


def test_an_image_that_fails_its_test_is_removed_and_the_cause_is_said(world: World, baked: str) -> None:
    before = images(world)
    assert baked in before
    lacking = json.dumps({"node_image_imports": ["not_there"], "emr_node_os_packages": ["pigz"]})
    done = world.kiln(*wanted("bake_image"), "-e", lacking)
    assert done.code == 13
    assert "one of the Python modules not_there cannot be imported" in done.result["message"], done.said
    assert images(world).keys() == before.keys()
    assert (instances(world), groups(world)) == ([], [])


def test_the_image_holds_no_secret_and_nothing_of_its_builder(baked: str) -> None:
    layer = CHECKOUT / ".emrbox/images" / baked
    key = PRIVATE_KEY.with_suffix(".pub").read_bytes().split()[1]
    secrets = [
        key,
        PRIVATE_KEY.read_bytes().splitlines()[1],
        b"aws_secret_access_key",
        f"owner-{SESSION}".encode(),
    ]
    files = [file for file in layer.rglob("*") if file.is_file() and not file.is_symlink()]
    assert any(file.name == ".kiln-complete" for file in files)
    for file in files:
        content = file.read_bytes()
        assert not [one for one in secrets if one in content], file
    names = {file.name for file in files}
    assert names & {"authorized_keys", "ssh_host_ed25519_key", ".bash_history", "credentials"} == set()


def test_an_instance_of_the_image_has_everything_and_an_identity_of_its_own(
    node: str, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    described = json.loads(on_node(node, "cat /opt/kiln/image.json", known))
    environment = f"/opt/kiln/envs/{described['environment_hash']}"
    shown = on_node(
        node, f"echo '[1,2]' | jq length; {environment}/bin/python -c 'import threadpoolctl; print(7)'", known
    )
    assert shown.split() == ["2", "7"]


def test_a_second_bake_makes_nothing(world: World, baked: str) -> None:
    before = images(world)
    done = world.kiln(*wanted("bake_image"))
    assert done.code == 0, done.said
    assert done.result["image"]["id"] == baked
    assert [phase["changed"] for phase in done.result["phases"]] == [False]
    assert images(world).keys() == before.keys()


def test_a_cluster_boots_from_it_and_provision_changes_nothing(world: World, baked: str) -> None:
    run = ("--run-id", f"image-{SESSION}")
    launched = world.kiln(*wanted("launch"), "-e", "emr_cluster_image=latest", *run)
    assert launched.code == 0, launched.said
    cluster_id = launched.result["cluster_id"]
    emr = world.session.client("emr")
    assert emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["CustomAmiId"] == baked
    try:
        recap = world.playbook(
            "provision", "-e", "pipeline=model_building", "-e", SETTINGS, "-e", f"run_id={run[1]}"
        ).stdout
        # The ledger gets what the nodes have; nothing on the nodes changes.
        changed = re.findall(
            r"^10\S+\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0", recap, re.MULTILINE
        )
        assert len(changed) == 3, recap
        assert sum(map(int, changed)) <= 1, recap
        assert not re.search(r"TASK \[emr_node[^\n]*\n(?:(?!TASK)[^\n]*\n)*changed:", recap), recap
    finally:
        ended = world.kiln(*wanted("terminate"), *run)
    assert ended.code == 0, ended.said


def test_without_an_image_a_launch_says_so_in_one_line_and_goes_on(world: World, baked: str) -> None:
    assert baked
    run = ("--run-id", f"other-{SESSION}")
    other = ("-e", "emr_cluster_image=latest", "-e", json.dumps({"emr_node_os_packages": ["pigz"]}))
    launched = world.kiln(*wanted("launch"), *other, *run)
    ended = world.kiln(*wanted("terminate"), *run)
    assert (launched.code, ended.code) == (0, 0), launched.said
    assert launched.said.count("a launch provisions its nodes live") == 1
    described = world.session.client("emr").describe_cluster(ClusterId=launched.result["cluster_id"])
    assert "CustomAmiId" not in described["Cluster"]
    alone = json.dumps({"emr_cluster_keep_alive": False, "emr_node_os_packages": ["pigz"]})
    given = ("-e", "pipeline=model_building", "-e", "emr_cluster_image=latest", "-e", alone)
    refused = world.playbook("launch", *given).stdout
    assert "its steps would begin on nodes without it" in " ".join(refused.split())
