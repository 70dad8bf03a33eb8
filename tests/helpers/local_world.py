"""The account that the end-to-end tests work in, and the commands that people type there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

CHECKOUT = Path(__file__).resolve().parents[2]
DATE = "2026-11-20"
MESSAGES = 20_000
SEED = 11
HANG_SECONDS = 900.0  # a deadline for what hangs, not for what is slow


@dataclass(frozen=True)
class Finished:
    """What a command left: exit code, the one line of JSON on stdout (if any), and all it said on stderr."""

    code: int
    result: dict[str, Any]
    said: str


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "ANSIBLE_", "KILN_"))
    }


def finished(child: subprocess.Popen[str], timeout: float = HANG_SECONDS) -> Finished:
    try:
        output, said = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        # Another test must not find it, nor its open files.
        child.kill()
        child.communicate()
        raise
    assert len(output.splitlines()) <= 1, output
    return Finished(child.returncode, json.loads(output) if output else {}, said)


class World:
    """The account, and the commands that people type in it."""

    def __init__(self, session: boto3.Session, folder: Path) -> None:
        self.session = session
        self.telemetry = folder

    def kiln(self, *arguments: str, timeout: float = HANG_SECONDS) -> Finished:
        return finished(self.start_kiln(*arguments), timeout)

    def start_kiln(self, *arguments: str, worker: Path | None = None) -> subprocess.Popen[str]:
        """Begin a command; with a folder for what it shares with others there, as on a worker of its own."""
        return subprocess.Popen(
            [CHECKOUT / "scripts/kiln", *arguments],
            env=clean_environment() | ({"XDG_CACHE_HOME": str(worker)} if worker else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def playbook(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook as ops do: from the checkout, by hand."""
        command = ["ansible-playbook", "-i", "inventory/local", f"playbooks/{name}.yml", *arguments]
        environment = clean_environment()
        environment["PATH"] = f"{CHECKOUT / '.venv/bin'}:{environment['PATH']}"
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )

    def clusters(self, *states: str) -> list[dict[str, Any]]:
        wanted: Any = {"ClusterStates": list(states)} if states else {}
        pages = self.session.client("emr").get_paginator("list_clusters").paginate(**wanted)
        return [dict(cluster) for page in pages for cluster in page["Clusters"]]

    def live_clusters(self) -> list[dict[str, Any]]:
        return self.clusters("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")

    def cluster_of(self, run_id: str) -> dict[str, Any]:
        (found,) = [cluster for cluster in self.clusters() if cluster["Name"].endswith(f"-{run_id}")]
        return found

    def cluster_nodes(self) -> list[str]:
        """Return the ids of the EC2 instances that belong to any EMR cluster and are not gone."""
        described = self.session.client("ec2").describe_instances(
            Filters=[
                {"Name": "tag-key", "Values": ["aws:elasticmapreduce:job-flow-id"]},
                {
                    "Name": "instance-state-name",
                    "Values": ["pending", "running", "shutting-down", "stopping", "stopped"],
                },
            ]
        )
        return [
            item["InstanceId"]
            for reservation in described["Reservations"]
            for item in reservation["Instances"]
        ]

    def objects(self, bucket: str) -> dict[str, bytes]:
        found = self.session.resource("s3").Bucket(bucket).objects.all()
        return {item.key: item.get()["Body"].read() for item in found}


def interrupt(child: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: the whole process group of a terminal gets it."""
    os.killpg(child.pid, signal.SIGINT)
