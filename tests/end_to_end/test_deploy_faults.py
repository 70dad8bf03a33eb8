"""What reaches a real node when secrets are awkward, disks are full and archives are swapped."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import pytest
import yaml
from account import PRIVATE_KEY
from hostile import Sentinel
from local_world import CHECKOUT, HANG_SECONDS
from waiting import wait_until

from kiln.nodes.on_node.channel import BEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from local_world import World

RUN = f"faults-{uuid4().hex[:8]}"
RELEASES = "/opt/kiln/models/model_repo/releases"
# Of a node: everything but the secrets file.
PLACES = "/tmp /var/tmp /var/log /run /home/hadoop/.ansible ~root/.ansible /opt/kiln"  # noqa: S108  # only read
PASSWORD = ("--vault-password-file", ".kiln/vault/local.password")


@pytest.fixture(scope="module")
def prepared(world: World) -> Iterator[World]:
    """One live cluster of a master and a core node, provisioned and not deployed."""
    done = world.kiln(
        *("run", "model_building", "launch,provision", "--env", "local", "--run-id", RUN),
        *("-e", "emr_cluster_core_count=1"),
    )
    assert done.code == 0, done.said
    yield world
    ended = world.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", RUN)
    assert ended.code == 0, ended.said


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """Here the cluster lives as long as the module; `prepared` ends it."""


def playbook(world: World, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    return world.playbook(name, "-e", "pipeline=model_building", "-e", f"run_id={RUN}", *extra)


def nodes(world: World, *kinds: Literal["MASTER", "CORE"]) -> list[str]:
    answer = world.session.client("emr").list_instances(
        ClusterId=world.cluster_of(RUN)["Id"],
        InstanceStates=["RUNNING"],
        InstanceGroupTypes=kinds or ("MASTER", "CORE"),
    )
    return sorted(instance["PrivateIpAddress"] for instance in answer["Instances"])


def fault(*arguments: str) -> None:
    subprocess.run([CHECKOUT / ".venv/bin/emrbox", "fault", *arguments], check=True, capture_output=True)


def on_node(address: str, command: str) -> str:
    # Nothing is remembered: a test changes a node's key.
    options = ("-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=accept-new")
    ssh = ["ssh", "-i", str(PRIVATE_KEY), *options, "-o", "BatchMode=yes", f"hadoop@{address}", command]
    done = subprocess.run(ssh, check=False, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def secrets_for(sentinel: Sentinel) -> dict[str, str]:
    canary = "canary-4f1c"
    return {
        "template": canary + "{{ 7*7 }}",
        "lookup": canary + sentinel.within("{{ lookup('pipe', 'touch SENTINEL') }}"),
        "broken": canary + "{{ broken",
        "raw": "{% raw %}" + canary,
        "text": canary + "line\nline\r\n\t\"'\\ é名🔥\u2028 ",
        "tag": "!vault " + canary,
        "file": "@/etc/passwd " + canary,
        "number": "0123",
    }


@pytest.fixture
def vault(prepared: World, tmp_path: Path) -> tuple[dict[str, str], tuple[str, ...], Sentinel]:
    """Awkward secrets in a vault of their own, what -e says about it, and what must not be run."""
    assert prepared
    sentinel = Sentinel(tmp_path)
    values = secrets_for(sentinel)
    encrypted = subprocess.run(
        [CHECKOUT / ".venv/bin/ansible-vault", "encrypt", *PASSWORD, "--output", "-", "-"],
        cwd=CHECKOUT,
        input=yaml.safe_dump({f"vault_{name}": value for name, value in values.items()}),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (tmp_path / "vault.yml").write_text(encrypted)
    extra = {
        "node_secrets_vault_file": str(tmp_path / "vault.yml"),
        "node_secrets_values": {name: f"{{{{ vault_{name} }}}}" for name in values},
    }
    return values, ("-e", json.dumps(extra), *PASSWORD), sentinel


def test_secrets_arrive_as_they_are_and_nowhere_else(
    prepared: World, vault: tuple[dict[str, str], tuple[str, ...], Sentinel]
) -> None:
    values, extra, sentinel = vault
    done = playbook(prepared, "deploy", "-vvv", *extra)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    again = playbook(prepared, "deploy", *extra)
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0"] * 3, again.stdout
    for address in nodes(prepared):
        file = ".kiln/secrets/model_building.json"
        assert json.loads(on_node(address, f"cat {file}")) == values
        assert on_node(address, f"stat -c %U:%G:%a {file}").strip() == "hadoop:hadoop:600"
        assert on_node(address, f"sudo grep -rl canary-4f1c {PLACES} 2>/dev/null || true") == ""
        assert on_node(address, "ls -A .kiln/secrets").split() == ["model_building.json"]
    sentinel.check()
    assert "canary-4f1c" not in said
    for folder in (CHECKOUT / ".kiln", Path.home() / ".ansible/tmp"):
        for found in folder.rglob("*"):
            if found.is_file():
                assert b"canary-4f1c" not in found.read_bytes(), found


def test_a_secret_in_the_settings_is_refused_and_not_shown(prepared: World) -> None:
    values = json.dumps({"node_secrets_values": {"password": "canary-4f1c"}})
    done = playbook(prepared, "deploy", "-e", values, *PASSWORD)
    assert done.returncode != 0
    assert "canary-4f1c" not in done.stdout + done.stderr
    assert "node_secrets_values.password is not one reference into the vault" in done.stdout


@pytest.fixture
def full_releases(prepared: World) -> Iterator[str]:
    """The address of a node where the folder of releases is new and empty, and takes nothing."""
    (address,), (other,) = nodes(prepared, "CORE"), nodes(prepared, "MASTER")
    on_node(other, "sudo rm -rf /opt/kiln/models")
    on_node(address, f"sudo rm -rf /opt/kiln/models && sudo mkdir -p {RELEASES}")
    fault("add", "disk-full", "role=CORE", "instances=0", f"paths={RELEASES}")
    wait_until(lambda: on_node(address, f"df --output=avail {RELEASES} | tail -n 1").strip() == "0")
    yield address
    fault("clear")


def test_a_release_is_there_whole_or_not_at_all(prepared: World, full_releases: str) -> None:
    """A disk that is full while root unpacks: that node fails, and the next run changes only that node."""
    (other,) = nodes(prepared, "MASTER")
    full = playbook(prepared, "deploy", "--tags", "model_repo", *PASSWORD)
    assert full.returncode != 0
    said = " ".join(full.stdout.split())
    failed = re.search(rf"fatal: \[{full_releases}\]: FAILED! => release: (.{{0,300}})", said)
    assert failed is not None, full.stdout
    assert "No space left on device" in failed[1]
    assert changes(full.stdout)[full_releases] == ("0", "0", "1"), full.stdout
    assert changes(full.stdout)[other] == ("1", "0", "0"), full.stdout
    assert on_node(full_releases, f"ls -A {RELEASES}") == ""
    fault("clear")
    # What a transfer and an unpacking that were killed leave.
    on_node(full_releases, f"sudo mkdir -p {RELEASES}/.incoming-killed/jobs")
    on_node(full_releases, f"sudo touch {RELEASES}/../.incoming-{'0' * 40}.tar")
    done = playbook(prepared, "deploy", "--tags", "model_repo", *PASSWORD)
    assert done.returncode == 0, done.stdout
    assert changes(done.stdout)[full_releases] == ("1", "0", "0"), done.stdout
    assert changes(done.stdout)[other] == ("0", "0", "0"), done.stdout
    (commit,) = on_node(full_releases, f"ls -A {RELEASES}").split()
    assert set(on_node(full_releases, f"ls -A {RELEASES}/..").split()) == {"current", "releases"}
    found = f"cd {RELEASES}/{commit} && find . -type f"
    assert set(on_node(full_releases, found).split()) == set(on_node(other, found).split())


def test_many_nodes_fetch_the_release_from_s3_and_no_other_one(prepared: World) -> None:
    """Above the limit nothing goes through the connections: what lies in S3 is what nodes get, or refuse."""
    by_s3 = ("--tags", "model_repo", "-e", "emr_node_push_limit=1", *PASSWORD)
    s3, bucket = prepared.session.client("s3"), "kiln-local-state"
    for address in nodes(prepared):
        on_node(address, "sudo rm -rf /opt/kiln/models")
    done = playbook(prepared, "deploy", *by_s3)
    assert done.returncode == 0, done.stdout
    for address in nodes(prepared):
        assert on_node(address, f"ls -A {RELEASES}/*/.kiln-release")
        on_node(address, "sudo rm -rf /opt/kiln/models")
    keys = [
        one["Key"]
        for one in s3.list_objects_v2(Bucket=bucket, Prefix="kiln/nodes/local/releases/")["Contents"]
    ]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    try:
        refused = playbook(prepared, "deploy", *by_s3)
    finally:
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert refused.returncode != 0
    assert "release: the archive's SHA-256 is not that" in " ".join(refused.stdout.split()), refused.stdout
    for address in nodes(prepared):
        assert changes(refused.stdout)[address] == ("0", "0", "1"), refused.stdout
        assert on_node(address, "ls -A /opt/kiln/models/model_repo/releases") == ""


def test_an_environment_that_somebody_swapped_is_not_unpacked(prepared: World) -> None:
    """Nodes may write packed environments; a bad one is refused, a missing one is built again."""
    s3 = prepared.session.client("s3")
    bucket = "kiln-local-state"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="kiln/envs/")["Contents"]
    keys = [item["Key"] for item in listed]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    address, *_ = nodes(prepared)
    on_node(address, "sudo rm -rf /opt/kiln/envs/*")
    refused = playbook(prepared, "provision")
    assert refused.returncode != 0
    assert "is not the archive that was built" in " ".join(refused.stdout.split()), refused.stdout
    assert on_node(address, "ls -A /opt/kiln/envs") == ""
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    built = playbook(prepared, "provision")
    assert built.returncode == 0, built.stdout
    assert on_node(address, "ls /opt/kiln/envs/*/.kiln-complete")


def changes(stdout: str) -> dict[str, tuple[str, str, str]]:
    """Return by host what the recap counts: changed, unreachable, failed."""
    rows = re.findall(
        r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", stdout, re.MULTILINE
    )
    return {host: (changed, unreachable, failed) for host, changed, unreachable, failed in rows}


def test_a_node_that_hangs_is_named_and_the_others_are_done(prepared: World) -> None:
    """The second run, when it is back, touches only that node."""
    (hanging,), (other,) = nodes(prepared, "CORE"), nodes(prepared, "MASTER")
    for address in (hanging, other):
        on_node(address, "sudo rpm -e jq")
    fault("add", "hang", "role=CORE", "instances=0")
    try:
        broken = playbook(prepared, "provision", "-e", "emr_node_connect_timeout_seconds=0")
    finally:
        fault("clear")
    assert broken.returncode != 0
    assert f"fatal: [{hanging}]: UNREACHABLE! =>" in broken.stdout
    assert changes(broken.stdout)[hanging] == ("0", "1", "0"), broken.stdout
    assert changes(broken.stdout)[other] == ("1", "0", "0"), broken.stdout
    again = playbook(prepared, "provision")
    assert again.returncode == 0, again.stdout
    assert changes(again.stdout)[hanging] == ("1", "0", "0"), again.stdout
    assert changes(again.stdout)[other] == ("0", "0", "0"), again.stdout


@pytest.fixture
def task_node(prepared: World) -> Iterator[dict[str, Any]]:
    """A third node, of a group of its own, that is in use for a while before its sshd comes."""
    emr, cluster = prepared.session.client("emr"), prepared.cluster_of(RUN)["Id"]
    group: Any = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1}
    fault("add", "sshd-late", "role=TASK", "seconds=30")
    (group_id,) = emr.add_instance_groups(JobFlowId=cluster, InstanceGroups=[group])["InstanceGroupIds"]

    def running() -> list[Any]:
        asked: Any = {"ClusterId": cluster, "InstanceGroupId": group_id, "InstanceStates": ["RUNNING"]}
        return list(emr.list_instances(**asked)["Instances"])

    try:
        wait_until(lambda: bool(running()))
        yield running()[0]
    finally:
        fault("clear")
        emr.modify_instance_groups(InstanceGroups=[{"InstanceGroupId": group_id, "InstanceCount": 0}])
        wait_until(lambda: not running())


def test_a_late_sshd_is_waited_for_and_a_node_that_dies_is_named(
    prepared: World, task_node: dict[str, Any]
) -> None:
    address, others = task_node["PrivateIpAddress"], nodes(prepared)

    def provision(*lacking: str) -> Future[subprocess.CompletedProcess[str]]:
        """Begin, and return when the other nodes have got what they lacked."""
        for one in lacking:
            on_node(one, "sudo rpm -e jq")
        begun = pool.submit(playbook, prepared, "provision", "-e", "emr_node_connect_timeout_seconds=120")
        for one in others:
            wait_until(partial(on_node, one, "rpm -q --quiet --whatprovides jq && echo there || true"))
        return begun

    with ThreadPoolExecutor(max_workers=1) as pool:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 22), timeout=HANG_SECONDS).close()
        late = provision(*others)
        done = late.result(HANG_SECONDS)
        assert done.returncode == 0, done.stdout
        assert changes(done.stdout)[address][1:] == ("0", "0")

        # It waits for another program that is at work there.
        on_node(address, "sudo sh -c 'flock /opt/kiln/.lock sleep 900 </dev/null >/dev/null 2>&1 &'")
        dying = provision(address, *others)
        time.sleep(BEAT_SECONDS + 1)  # its program has said that it is at work
        prepared.session.client("ec2").terminate_instances(InstanceIds=[task_node["Ec2InstanceId"]])
        broken = dying.result(HANG_SECONDS)
    assert broken.returncode != 0
    said = " ".join(broken.stdout.split())
    lost = rf"fatal: \[{address}\]: FAILED! => (the connection was lost|stopped: .*), at packages"
    assert re.search(lost, said), said
    for one in others:
        assert changes(broken.stdout)[one] == ("1", "0", "0"), broken.stdout


def test_a_package_without_a_good_signature_is_refused_on_the_node_that_asks_for_one(
    prepared: World,
) -> None:
    """The repository decides (gpgcheck); the packages of the local AWS carry no signature."""
    (strict,), (other,) = nodes(prepared, "CORE"), nodes(prepared, "MASTER")
    repository = "/etc/yum.repos.d/amazonlinux.repo"
    for address in (strict, other):
        on_node(address, "sudo rpm -e jq pigz")
    on_node(strict, f"sudo sed -i s/gpgcheck=0/gpgcheck=1/ {repository}")
    refused = playbook(prepared, "provision", "--diff")
    assert refused.returncode != 0
    assert f"fatal: [{strict}]: FAILED! => packages: dnf:" in refused.stdout, refused.stdout
    assert "GPG" in refused.stdout
    assert changes(refused.stdout)[strict] == ("0", "0", "1"), refused.stdout
    assert changes(refused.stdout)[other] == ("1", "0", "0"), refused.stdout
    assert "not installed" in on_node(strict, "rpm -q jq pigz || true")
    on_node(strict, f"sudo sed -i s/gpgcheck=1/gpgcheck=0/ {repository}")
    again = playbook(prepared, "provision", "--diff")
    assert again.returncode == 0, again.stdout
    assert f"packages ({strict}):\n+ jq\n+ pigz\n" in again.stdout


def test_host_keys_come_from_the_console_and_a_changed_one_stops_its_node(prepared: World) -> None:
    cluster = prepared.cluster_of(RUN)["Id"]
    known = CHECKOUT / ".kiln/known_hosts" / cluster
    decided = [json.loads(line) for line in known.with_suffix(".jsonl").read_text().splitlines()]
    # Another test's node may have ended.
    assert {(one["address"], one["source"]) for one in decided} >= {
        (address, "console output") for address in nodes(prepared)
    }
    assert {one["source"] for one in decided} == {"console output"}
    (core,), (master,) = nodes(prepared, "CORE"), nodes(prepared, "MASTER")
    (name,) = [one["instance_id"] for one in decided if one["address"] == core]

    fault("add", "host-key-changed", "role=CORE")
    fault("clear")
    shutil.rmtree(Path("~/.ansible/cp").expanduser() / cluster, ignore_errors=True)
    run = playbook(prepared, "provision")
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    fix = f"ssh-keygen -f {known} -R {name}"
    assert f"fatal: [{core}]: UNREACHABLE! => its SSH host key is not the one in {known}" in said
    assert fix in said
    assert f"fatal: [{master}]" not in said
    shell = prepared.kiln(
        *("ssh", "model_building", "--env", "local", "--run-id", RUN, "--node", core, "--", "true")
    )
    assert shell.code == 255
    assert "Host key verification failed" in shell.said

    subprocess.run(shlex.split(fix), check=True, capture_output=True)
    again = playbook(prepared, "provision")
    assert again.returncode == 0, again.stdout
    assert f"1 node ({core}) accepted at first contact" in again.stdout


def test_tags_of_a_node_decide_nothing(prepared: World) -> None:
    """With the inventory that reads EC2, too: `pipeline` and `managed_by` are what anybody may write."""
    cluster = prepared.cluster_of(RUN)["Id"]
    ec2 = prepared.session.client("ec2")
    tag: Any = [{"Name": "tag:aws:elasticmapreduce:job-flow-id", "Values": [cluster]}]
    found = [
        instance["InstanceId"]
        for reservation in ec2.describe_instances(Filters=tag)["Reservations"]
        for instance in reservation["Instances"]
    ]
    administrator = ec2
    administrator.create_tags(Resources=found[:1], Tags=[{"Key": "pipeline", "Value": "emr_target"}])
    administrator.create_tags(Resources=found[1:], Tags=[{"Key": "pipeline", "Value": "{{ 7 * 7 }}"}])
    done = playbook(prepared, "deploy", *PASSWORD)
    assert done.returncode == 0, done.stdout + done.stderr
    for address in nodes(prepared):
        assert on_node(address, "ls -A .kiln/secrets").split() == ["model_building.json"]
