"""Faults that need real nodes, all on one cluster: late sshd, a new host key, a full disk, a hang, losses."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.box

SERVICE_ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["ec2:*", "iam:PassRole"], "Resource": "*"}],
}
LATE_SECONDS = 6


class Cluster:
    """A master and two core nodes, one of them spot, with sshd late on the master."""

    def __init__(self, box: Any) -> None:
        self.box = box
        self.emr, self.iam, self.ec2 = (box.client(name) for name in ("emr", "iam", "ec2"))
        for name, service in (("service", "elasticmapreduce"), ("nodes", "ec2")):
            principal = {"Service": f"{service}.amazonaws.com"}
            trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        self.iam.put_role_policy(RoleName="service", PolicyName="p", PolicyDocument=json.dumps(SERVICE_ROLE))
        self.iam.create_instance_profile(InstanceProfileName="nodes")
        self.iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        self.ec2.import_key_pair(KeyName="test", PublicKeyMaterial=(box.keys / "id.pub").read_bytes())
        self.fault("sshd-late", f"seconds={LATE_SECONDS}", "role=MASTER")
        groups = [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
        ]
        self.id = self.emr.run_job_flow(
            Name="faults",
            ReleaseLabel="emr-spark-8.0.0",
            ServiceRole="service",
            JobFlowRole="nodes",
            Instances={
                "InstanceGroups": groups,
                "KeepJobFlowAliveWhenNoSteps": True,
                "Ec2KeyName": "test",
            },
        )["JobFlowId"]

    def fault(self, kind: str, *words: str) -> str:
        """Switch a fault on by the command; returns its id."""
        done = self.box.command("fault", "add", kind, *words)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["fault"]["id"])

    def status(self) -> dict[str, Any]:
        return dict(self.emr.describe_cluster(ClusterId=self.id)["Cluster"]["Status"])

    def instances(self, role: str) -> list[dict[str, Any]]:
        """The running EC2 instances of a role."""
        listed = self.emr.list_instances(
            ClusterId=self.id, InstanceGroupTypes=[role], InstanceStates=["RUNNING"]
        )["Instances"]
        return [self.box.instance(i["Ec2InstanceId"]) for i in listed]


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def ssh_answers(address: str) -> bool:
    """Whether sshd says who it is within two seconds; a refused connection is False."""
    try:
        with socket.create_connection((address, 22), 2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def host_key(address: str) -> str:
    scan = ["ssh-keyscan", "-T", "5", "-t", "ed25519", address]
    said = subprocess.run(scan, capture_output=True, text=True, check=False).stdout.split()
    return said[-1] if said else ""  # sshd is starting again


@pytest.fixture(scope="module")
def cluster(box: Any) -> Cluster:
    return Cluster(box)


def test_sshd_comes_late(cluster: Cluster) -> None:
    def master() -> Any:
        listed = cluster.emr.list_instances(ClusterId=cluster.id, InstanceGroupTypes=["MASTER"])
        return [i["PrivateIpAddress"] for i in listed["Instances"] if i["Status"]["State"] == "BOOTSTRAPPING"]

    (address,) = until(master)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 22), 2).close()
    until(lambda: ssh_answers(address), LATE_SECONDS + 10)
    until(lambda: cluster.status()["State"] == "WAITING")


def test_a_changed_host_key_is_another_than_the_console_shows(cluster: Cluster) -> None:
    (master,) = cluster.instances("MASTER")
    before = host_key(master["PrivateIpAddress"])
    cluster.fault("host-key-changed", "--cluster", cluster.id)
    until(lambda: host_key(master["PrivateIpAddress"]) not in {"", before}, 10)
    shown = cluster.ec2.get_console_output(InstanceId=master["InstanceId"])["Output"]
    assert before in shown
    with pytest.raises(AssertionError, match="Host key verification failed"):
        cluster.box.ssh(master, "true", user="hadoop")


def test_a_full_disk_takes_no_more_and_is_as_before_when_the_fault_is_removed(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    write = "if echo x >/tmp/new 2>/dev/null; then echo room; else echo full; fi; ls /home/hadoop >&2"
    fault = cluster.fault("disk-full", "instances=0")
    until(lambda: {cluster.box.ssh(i, write, user="hadoop").strip() for i in core} == {"full"}, 10)
    used = cluster.box.ssh(core[0], "df --output=pcent /mnt/yarn | tail -1", user="hadoop").strip()
    assert used == "100%"
    cluster.box.command("fault", "remove", fault)
    assert {cluster.box.ssh(i, write, user="hadoop").strip() for i in core} == {"room"}


def test_a_node_that_hangs_accepts_tcp_and_answers_nothing(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    fault = cluster.fault("hang", "instances=1", "--seed", "3")
    hung = until(lambda: [i for i in core if not ssh_answers(i["PrivateIpAddress"])], 10)
    assert len(hung) == 1
    with socket.create_connection((hung[0]["PrivateIpAddress"], 22), 2) as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    cluster.box.command("fault", "remove", fault)
    until(lambda: ssh_answers(hung[0]["PrivateIpAddress"]), 10)


def test_a_spot_interruption_shows_in_the_metadata_first(cluster: Cluster) -> None:
    core = cluster.instances("CORE")
    cluster.fault("spot-interruption", "market=*", "role=CORE", "instances=0", "notice_seconds=4")
    action = (
        "t=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
        'http://169.254.169.254/latest/api/token); curl -s -H "X-aws-ec2-metadata-token: $t" '
        "http://169.254.169.254/latest/meta-data/spot/instance-action"
    )
    told = json.loads(cluster.box.ssh(core[0], action, user="hadoop"))
    assert told["action"] == "terminate"
    gone = {i["InstanceId"] for i in core}
    until(lambda: {cluster.box.state(i) for i in gone} == {"terminated"}, 20)
    reason = cluster.box.instance(core[0]["InstanceId"])["StateReason"]["Code"]
    assert reason == "Server.SpotInstanceTermination"


def test_zero_core_and_then_no_master(cluster: Cluster) -> None:
    until(lambda: len(cluster.instances("CORE")) == 2, 90)  # EMR has replaced the interrupted ones
    until(lambda: cluster.status()["State"] == "WAITING")
    cluster.fault("core-lost")
    until(lambda: not cluster.instances("CORE"), 20)
    time.sleep(3)
    assert cluster.instances("CORE") == []
    assert cluster.status()["State"] == "WAITING"
    cluster.fault("master-lost")
    status = until(lambda: (s := cluster.status())["State"].startswith("TERMINATED") and s)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"
