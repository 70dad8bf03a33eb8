"""Measure how long the nodes of one cluster take to be known, in an account with many instances.

In turns: amazon.aws's aws_ec2, which lists the account; the role emr_target, which asks EMR for the cluster;
and kiln's own function for that in one process. The processor's time is shown, too, because it depends
less on what else the machine does. The account is that of account_of_instances.py, whose time is not counted;
docs/decisions/0021-inventory.md has the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.append(str(CHECKOUT / "tests/helpers"))

from ansible_copy import AnsibleCopy

from account_of_instances import PIPELINE, RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG_SECONDS = 1800
HOSTS, ACCOUNT = "inventory/local/hosts.yml", "inventory/local/aws_ec2.yml"
WHICH = ("-e", f"pipeline={PIPELINE}", "-e", f"run_id={RUN}")
# The first play of provision.yml, and one that finds nothing: what Ansible and the checks of settings take.
FIND = """---
- name: Find the cluster
  hosts: localhost
  roles:
    - role: pipeline
    - role: emr_target
- name: Count its nodes
  hosts: emr_target[0]
  tasks:
    - name: Count
      ansible.builtin.assert:
        that: groups.emr_target | length == NODES
"""
START = """---
- name: Find nothing
  hosts: localhost
  roles:
    - role: pipeline
"""
# kiln's own functions, in a process that has been started already.
IN_PROCESS = """
import sys, time
from pathlib import Path
from kiln.aws.boto import Boto
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.emr import finding
from kiln.nodes import target_nodes
import msgspec
begun, cpu = time.monotonic(), time.process_time()
aws = Boto(region="us-east-1", profile="kiln_local", config_file=Path(sys.argv[1]))
context = Context(aws=aws, clock=SystemClock())
cluster = finding.only(context, "local", sys.argv[2], sys.argv[3])
instances = [msgspec.to_builtins(one) for one in context.effects.list_instances(cluster.id)]
assert len(target_nodes.running({"id": cluster.id, "instances": instances})) == int(sys.argv[4])
print(time.monotonic() - begun, time.process_time() - cpu)
"""


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with tempfile.TemporaryDirectory() as folder, account(options.instances, options.nodes) as served:
        copy = prepared(Path(folder), served, options.nodes)
        known = copy.root / ".kiln/known_hosts" / served["cluster_id"]
        found: dict[str, list[Times]] = {}
        for number in range(options.rounds):
            for name, measure in measures(copy, known, options.nodes).items():
                found.setdefault(name, []).append(measure())
                print(f"round {number + 1}: {name}: {found[name][-1].wall:.2f} s", flush=True)
    for name, all_times in found.items():
        wall = [one.wall for one in all_times]
        cpu = statistics.median(one.cpu for one in all_times)
        spread = f"{min(wall):.2f} to {max(wall):.2f}"
        print(f"{name:<56}{statistics.median(wall):6.2f} s ({spread}), processor {cpu:.2f} s")
    return 0


class Times(NamedTuple):
    """Seconds of the wall clock and of the processor."""

    wall: float
    cpu: float


@contextmanager
def account(instances: int, nodes: int) -> Iterator[dict[str, Any]]:
    """Give the address, the cluster and the keys of an account."""
    program = Path(__file__).with_name("account_of_instances.py")
    command = [sys.executable, str(program), f"--instances={instances}", f"--nodes={nodes}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield json.loads(child.stdout.readline())
        finally:
            child.terminate()


def prepared(folder: Path, served: dict[str, Any], nodes: int) -> AnsibleCopy:
    """Return a copy of the checkout's Ansible whose local account is the served one."""
    copy = AnsibleCopy(folder)
    key, secret = served["keys"]
    copy.write(
        ".kiln/local/aws/config",
        f"[profile kiln_local]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        f"region = us-east-1\nendpoint_url = {served['url']}\n",
    )
    (folder / ".kiln/local/id_ed25519").touch()
    copy.write("playbooks/find.yml", FIND.replace("NODES", str(nodes)))
    copy.write("playbooks/start.yml", START)
    return copy


def measures(copy: AnsibleCopy, known: Path, nodes: int) -> dict[str, Callable[[], Times]]:
    """Return what is measured, by its name; each gives times."""

    def first() -> Times:
        known.unlink(missing_ok=True)
        return timed(copy, "ansible-playbook", "-i", "inventory/local", "playbooks/find.yml", *WHICH)

    def again() -> Times:
        pin(copy, known)
        return timed(copy, "ansible-playbook", "-i", "inventory/local", "playbooks/find.yml", *WHICH)

    def in_process() -> Times:
        config = copy.root / ".kiln/local/aws/config"
        words = [sys.executable, "-c", IN_PROCESS, str(config), PIPELINE, RUN, str(nodes)]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
        return Times(float(said[0]), float(said[1]))

    return {
        "Ansible's own start: ansible-inventory, hosts.yml": lambda: timed(
            copy, "ansible-inventory", "-i", HOSTS, "--graph"
        ),
        "Ansible's own start: ansible-playbook, role pipeline": lambda: timed(
            copy, "ansible-playbook", "-i", "inventory/local", "playbooks/start.yml", *WHICH
        ),
        "role emr_target, host keys not known (all from EC2)": first,
        "role emr_target, host keys known": again,
        "kiln in one process": in_process,
        "aws_ec2: ansible-inventory, all instances": lambda: timed(
            copy, "ansible-inventory", "-i", ACCOUNT, "--graph"
        ),
    }


def pin(copy: AnsibleCopy, known: Path) -> None:
    """Write a key for each node, as a first run has left them."""
    lines = [json.loads(line) for line in known.with_suffix(".jsonl").read_text().splitlines()]
    known.write_text("".join(f"{one['instance_id']} ssh-ed25519 x\n" for one in lines))
    assert copy.root in known.parents


def timed(copy: AnsibleCopy, tool: str, *arguments: str) -> Times:
    """Return how long a command takes."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = copy.run(tool, *arguments, hang_seconds=HANG_SECONDS)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return Times(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
