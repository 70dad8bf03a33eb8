"""The nodes: EC2 instances of a box of its own, launched from an image that all contenders share."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import packaging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.pytest_plugin import Account

KEY_NAME, ROLE, USER = "bench", "bench-node", "ec2-user"
BUCKET = "bench-state"
MIRROR = "/opt/mirror"
# Nothing is fetched from elsewhere, and no contender pays for downloads: wheels lie on every node.
PIP_CONF = f"[global]\nno-index = true\nfind-links = {MIRROR}\ndisable-pip-version-check = true\n"
_MOST_SECONDS = 180.0
_POLL_SECONDS = 0.5
_AT_ONCE = 32


class Fleet:
    """Instances of one account. `folder` gets the private key and known_hosts."""

    def __init__(self, account: Account, folder: Path) -> None:
        self._ec2 = account.client("ec2")
        self._account = account
        self.key, self.known_hosts = folder / "key", folder / "known_hosts"
        self.addresses: list[str] = []
        self._image = ""

    def prepare(self, wheels: Path) -> None:
        """Make key, bucket and role, and an image with rsync and a mirror of the wheels."""
        made = self._ec2.create_key_pair(KeyName=KEY_NAME, KeyType="ed25519")
        self.key.touch(mode=0o600)
        self.key.write_text(made["KeyMaterial"])
        self._account.client("s3").create_bucket(Bucket=BUCKET)
        self._make_role()
        self._let_ssh_in()
        images = self._ec2.describe_images(Filters=[{"Name": "name", "Values": ["al2023-ami-*"]}])["Images"]
        self._image = max(images, key=lambda image: image["CreationDate"])["ImageId"]
        (builder,) = self._launch(1)
        self._learn_keys([builder["PrivateIpAddress"]])
        with wheels.open("rb") as stream:
            self.on_node(builder["PrivateIpAddress"], f"mkdir {MIRROR} && tar -x -C {MIRROR}", stream)
        # Amazon Linux has it for its own Python; Ansible's module pip needs it.
        with _packed(Path(packaging.__file__).parent) as stream:
            self.on_node(builder["PrivateIpAddress"], "tar -x -C /usr/lib/python3/dist-packages", stream)
        install = (
            f"dnf -y -q install rsync zstd && printf %s '{PIP_CONF}' >/etc/pip.conf && rm -rf /var/cache/dnf"
        )
        self.on_node(builder["PrivateIpAddress"], install)
        self._image = self._ec2.create_image(InstanceId=builder["InstanceId"], Name="bench")["ImageId"]
        self._until(lambda: self._image_state() == "available")
        self._ec2.terminate_instances(InstanceIds=[builder["InstanceId"]])

    def grow(self, count: int) -> None:
        """Launch nodes until there are so many."""
        missing = count - len(self.addresses)
        if missing > 0:
            self.addresses += [one["PrivateIpAddress"] for one in self._launch(missing)]
            self._learn_keys(self.addresses)

    def on_node(self, address: str, line: str, source: Any = subprocess.DEVNULL) -> str:
        """Run a line of shell as root, and return what it printed."""
        command = ["ssh", *self.options, "-l", USER, address, "sudo", "sh", "-c", f"'{_quoted(line)}'"]
        finished = subprocess.run(
            command, stdin=source, capture_output=True, text=True, check=False, timeout=_MOST_SECONDS
        )
        if finished.returncode != 0:
            raise RuntimeError(f"{address}: {line}: {finished.stderr[-500:]}")
        return finished.stdout

    def on_nodes(self, addresses: Sequence[str], line: str) -> None:
        """Run a line of shell as root on many nodes."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda address: self.on_node(address, line), addresses))

    @property
    def options(self) -> list[str]:
        """How ssh connects, in the same way for all: this key, and known host keys only."""
        given = {
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        return ["-F", "none", *(word for name, value in given.items() for word in ("-o", f"{name}={value}"))]

    def _launch(self, count: int) -> list[Any]:
        answer = self._ec2.run_instances(
            ImageId=self._image,
            InstanceType="t3.small",
            KeyName=KEY_NAME,
            IamInstanceProfile={"Name": ROLE},
            MinCount=count,
            MaxCount=count,
        )
        ids = [one["InstanceId"] for one in answer["Instances"]]

        def found() -> list[Any]:
            pages = self._ec2.get_paginator("describe_instances").paginate(InstanceIds=ids)
            return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]

        self._until(lambda: all(one["State"]["Name"] == "running" for one in found()))
        return found()

    def _image_state(self) -> str:
        return str(self._ec2.describe_images(ImageIds=[self._image])["Images"][0]["State"])

    def _learn_keys(self, addresses: Sequence[str]) -> None:
        scanned = subprocess.run(
            ["ssh-keyscan", "-t", "ed25519", "-T", "30", *addresses],
            capture_output=True,
            text=True,
            check=True,
            timeout=_MOST_SECONDS,
        )
        self.known_hosts.write_text(scanned.stdout)

    def _let_ssh_in(self) -> None:
        # This machine has an address of the box's network, which is the default VPC's.
        (vpc,) = self._ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        self._ec2.authorize_security_group_ingress(
            GroupName="default", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=vpc["CidrBlock"]
        )

    def _make_role(self) -> None:
        """Let nodes read and write the bucket, as a cluster's nodes may."""
        iam = self._account.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy(trust))
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]}
        iam.put_role_policy(
            RoleName=ROLE, PolicyName="state", PolicyDocument=_policy(allowed | {"Resource": resources})
        )
        iam.create_instance_profile(InstanceProfileName=ROLE)
        iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)

    @staticmethod
    def _until(holds: Any) -> None:
        ends_at = time.monotonic() + _MOST_SECONDS
        while not holds():
            if time.monotonic() > ends_at:
                raise TimeoutError("the nodes of the measurement did not start")
            time.sleep(_POLL_SECONDS)


def _packed(folder: Path) -> IO[bytes]:
    """Return a tar file with this folder."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(folder, arcname=folder.name)
    stream.seek(0)
    return stream


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _quoted(line: str) -> str:
    return line.replace("'", "'\\''")
