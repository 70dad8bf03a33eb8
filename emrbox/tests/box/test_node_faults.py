"""Faults that need real nodes: late sshd, a new host key, a full disk, a hang, losses."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from emr_account import Account
from waiting import HANG_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.box

LATE_SECONDS = 20
ANSWER_SECONDS = 5.0  # after which a node that answers nothing is taken for hung


class Cluster:
    """A cluster whose nodes get faults."""

    def __init__(self, account: Account, box: Any, cores: int) -> None:
        self.box, self.ec2, self._account = box, account.ec2, account
        count = {"MASTER": 1, "CORE": cores}
        groups = [
            {"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": count[role]}
            for role in ("MASTER", "CORE")
            if count[role]
        ]
        instances = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True, "Ec2KeyName": "test"}
        self.id = account.launch(cores, Instances=instances)

    def fault(self, kind: str, *words: str) -> str:
        """Switch a fault of this cluster on by the command; returns its id."""
        return add_fault(self.box, kind, *words, "--cluster", self.id)

    def status(self) -> dict[str, Any]:
        return dict(self._account.emr.describe_cluster(ClusterId=self.id)["Cluster"]["Status"])

    def until_waiting(self) -> None:
        self._account.until(self.id, "WAITING")

    def instances(self, role: str) -> list[dict[str, Any]]:
        """The running EC2 instances of a role."""
        listed = self.listed(role, "RUNNING")
        return [self.box.instance(i["Ec2InstanceId"]) for i in listed]

    def listed(self, role: str, *states: str) -> list[dict[str, Any]]:
        answer = self._account.emr.list_instances(
            ClusterId=self.id, InstanceGroupTypes=[role], InstanceStates=list(states)
        )
        return list(answer["Instances"])

    def terminate(self) -> None:
        self._account.emr.terminate_job_flows(JobFlowIds=[self.id])
        wait_until(lambda: self.status()["State"].startswith("TERMINATED"))


def add_fault(box: Any, kind: str, *words: str) -> str:
    done = box.command("fault", "add", kind, *words)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["fault"]["id"])


def ssh_answers(address: str) -> bool:
    """Whether sshd says who it is; a refused connection is False."""
    try:
        with socket.create_connection((address, 22), ANSWER_SECONDS) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def host_key(address: str) -> str:
    scan = ["ssh-keyscan", "-T", "5", "-t", "ed25519", address]
    said = subprocess.run(scan, capture_output=True, text=True, check=False).stdout.split()
    return said[-1] if said else ""  # sshd is starting again


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    made = Account(box)
    made.ec2.import_key_pair(KeyName="test", PublicKeyMaterial=(box.keys / "id.pub").read_bytes())
    return made


@pytest.fixture(scope="module")
def shared(account: Account, box: Any) -> Cluster:
    return Cluster(account, box, 2)


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """Two healthy core nodes; a test that breaks one for good waits for a new one."""
    shared.until_waiting()
    wait_until(lambda: len(shared.instances("CORE")) == 2)
    return shared


@pytest.fixture
def doomed(account: Account, box: Any) -> Iterator[Cluster]:
    """One core node, for one test."""
    made = Cluster(account, box, 1)
    yield made
    made.terminate()


def test_sshd_comes_late(account: Account, box: Any) -> None:
    fault = add_fault(box, "sshd-late", f"seconds={LATE_SECONDS}", "role=MASTER")
    cluster = Cluster(account, box, 0)
    [master] = wait_until(lambda: cluster.listed("MASTER", "BOOTSTRAPPING"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((master["PrivateIpAddress"], 22), HANG_SECONDS).close()
    wait_until(lambda: ssh_answers(master["PrivateIpAddress"]))
    cluster.until_waiting()
    box.command("fault", "remove", fault)
    cluster.terminate()


def test_a_changed_host_key_is_another_than_the_console_shows(cluster: Cluster) -> None:
    (master,) = cluster.instances("MASTER")
    before = host_key(master["PrivateIpAddress"])
    cluster.fault("host-key-changed")
    wait_until(lambda: host_key(master["PrivateIpAddress"]) not in {"", before})
    shown = cluster.ec2.get_console_output(InstanceId=master["InstanceId"])["Output"]
    assert before in shown
    with pytest.raises(AssertionError, match="Host key verification failed"):
        cluster.box.ssh(master, "true", user="hadoop")


def test_a_full_disk_takes_no_more_and_is_as_before_when_the_fault_is_removed(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    folders = "/tmp /home/hadoop /mnt/yarn /var/log /etc /opt"  # noqa: S108  # on a node
    write = f'for f in {folders}; do sudo sh -c "echo x >$f/new" 2>/dev/null && echo room || echo full; done'
    said = f"sh -c '{write}' | sort -u; ls /home/hadoop >&2"
    fault = cluster.fault("disk-full", "instances=0")
    wait_until(lambda: {cluster.box.ssh(i, said, user="hadoop").strip() for i in core} == {"full"})
    used = cluster.box.ssh(core[0], "df --output=pcent /mnt/yarn | tail -1", user="hadoop").strip()
    assert used == "100%"
    cluster.box.command("fault", "remove", fault)
    assert {cluster.box.ssh(i, said, user="hadoop").strip() for i in core} == {"room"}


def test_a_node_that_hangs_accepts_tcp_and_answers_nothing(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    fault = cluster.fault("hang", "instances=1", "--seed", "3")

    def silent() -> Any:
        found = [i for i in core if not ssh_answers(i["PrivateIpAddress"])]
        return found[0] if len(found) == 1 else None

    hung = wait_until(silent)
    with socket.create_connection((hung["PrivateIpAddress"], 22), HANG_SECONDS) as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    cluster.box.command("fault", "remove", fault)
    wait_until(lambda: ssh_answers(hung["PrivateIpAddress"]))


def test_a_spot_interruption_shows_in_the_metadata_first(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    cluster.fault("spot-interruption", "market=*", "role=CORE", "instances=0", "notice_seconds=20")
    action = (
        "t=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
        'http://169.254.169.254/latest/api/token); curl -s -H "X-aws-ec2-metadata-token: $t" '
        "http://169.254.169.254/latest/meta-data/spot/instance-action"
    )
    told = json.loads(cluster.box.ssh(core[0], action, user="hadoop"))
    assert told["action"] == "terminate"
    gone = {i["InstanceId"] for i in core}
    wait_until(lambda: {cluster.box.state(i) for i in gone} == {"terminated"})
    reason = cluster.box.instance(core[0]["InstanceId"])["StateReason"]["Code"]
    assert reason == "Server.SpotInstanceTermination"


def test_zero_core_and_then_no_master(doomed: Cluster) -> None:
    doomed.until_waiting()
    doomed.fault("core-lost")
    wait_until(lambda: not doomed.instances("CORE"))
    time.sleep(3)  # a new one would be there
    assert doomed.instances("CORE") == []
    assert doomed.status()["State"] == "WAITING"
    doomed.fault("master-lost")
    status = wait_until(lambda: (s := doomed.status())["State"].startswith("TERMINATED") and s)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"
