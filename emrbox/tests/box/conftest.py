"""A box of the tests' own, apart from the checkout's, with its commands, clients and nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from waiting import HANG_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Box:
    """One box: its commands, its EC2 as the administrator, its nodes by ssh."""

    home: Path
    keys: Path
    environment: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)

    def command(self, *arguments: str, timeout: float = HANG_SECONDS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "emrbox", *arguments],
            env={
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": str(Path.home()),
                "EMRBOX_HOME": str(self.home),
                **{name: value for name, value in os.environ.items() if name == "XDG_CACHE_HOME"},
            },
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            umask=0o077,  # as a careful user has it
        )

    def up(self) -> None:
        result = self.command("up")
        assert result.returncode == 0, result.stderr
        self.clients.clear()  # the last box's keys and port
        lines = self.command("env").stdout.splitlines()
        self.environment = dict(
            line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export ")
        )

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self._new_client(service)
        return self.clients[service]

    def _new_client(self, service: str) -> Any:
        config = (self.home / "aws/config").read_text().splitlines()[1:]
        values: dict[str, Any] = dict(line.split(" = ", 1) for line in config)
        session: Any = boto3.session.Session()
        return session.client(service, region_name=values.pop("region"), **values)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.command("status", "-o", "json").stdout))

    def pid(self) -> int:
        return int(json.loads((self.home / "box.json").read_text())["pid"])

    def launch(self, count: int = 1, **request: Any) -> list[dict[str, Any]]:
        """Run instances from the plain image and wait until they run."""
        ec2 = self.client("ec2")
        name = {"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}
        image = ec2.describe_images(Owners=["amazon"], Filters=[name])["Images"][0]["ImageId"]
        if not ec2.describe_key_pairs()["KeyPairs"]:
            ec2.import_key_pair(KeyName="test", PublicKeyMaterial=(self.keys / "id.pub").read_bytes())
        request = {"ImageId": image, "KeyName": "test", "InstanceType": "m5.xlarge", **request}
        self.open_ports("default", 22)
        answer = ec2.run_instances(MinCount=count, MaxCount=count, **request)
        ids = [instance["InstanceId"] for instance in answer["Instances"]]
        wait_until(lambda: {self.instance(i)["State"]["Name"] for i in ids} == {"running"})
        return [self.instance(i) for i in ids]

    def open_ports(self, group_name: str, *ports: int, cidr: str = "") -> None:
        """Let this machine, or `cidr`, reach ports of a group of the default VPC: nothing else does."""
        ec2, source = self.client("ec2"), cidr or self.environment["EMRBOX_HOST_CIDR"]
        for port in ports:
            with suppress(ec2.exceptions.ClientError):  # it is open already
                ec2.authorize_security_group_ingress(
                    GroupName=group_name, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=source
                )

    def instance(self, instance_id: str) -> dict[str, Any]:
        answer = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        return dict(answer["Reservations"][0]["Instances"][0])

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def ssh(self, instance: dict[str, Any], command: str, user: str = "ec2-user") -> str:
        """Run a command on a node; its host key comes from its console, as a careful client gets it."""
        output = self.client("ec2").get_console_output(InstanceId=instance["InstanceId"])["Output"]
        key = next(line for line in output.splitlines() if line.startswith("ssh-ed25519 "))
        address = instance["PrivateIpAddress"]
        known = self.keys / f"known-{instance['InstanceId']}"
        known.write_text(f"{address} {key}\n")
        connect = f"ProxyCommand=env EMRBOX_HOME='{self.home}' '{sys.executable}' -m emrbox connect %h %p"
        options = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={known}", connect)
        result = subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.keys / "id")]
            + [word for option in options for word in ("-o", option)]
            + [f"{user}@{address}", command],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def connection(self, address: str, port: int) -> subprocess.Popen[bytes]:
        """Connect this machine to a port of a node, in both kinds of boxes: stdin and stdout."""
        return subprocess.Popen(
            [sys.executable, "-m", "emrbox", "connect", address, str(port)],
            env={"PATH": "/usr/bin:/bin", "EMRBOX_HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def answer(self, address: str, port: int, within: float = HANG_SECONDS) -> bytes:
        """Return what a port answers this machine to an HTTP request within some seconds, else nothing."""
        with self.connection(address, port) as opened:
            try:
                return opened.communicate(b"HEAD / HTTP/1.0\r\n\r\n", timeout=within)[0]
            except subprocess.TimeoutExpired:  # dropped, as on EC2, and not refused
                opened.kill()
                return b""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
    return folder


@pytest.fixture(scope="module")
def make_box(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Callable[[], Box]]:
    boxes: list[Box] = []

    def make() -> Box:
        box = Box(tmp_path_factory.mktemp("box"), keys)
        boxes.append(box)
        return box

    yield make
    for box in boxes:
        box.command("down")


@pytest.fixture(scope="module")
def box(make_box: Callable[[], Box]) -> Box:
    started = make_box()
    started.up()
    return started
