"""The scenario that Molecule is running, by the variables that it starts pytest with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import testinfra
import yaml

if TYPE_CHECKING:
    from testinfra.host import Host

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
CHECKOUT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
# Prints each file of the node with what a change of it would change. Left out: what is no file of the node,
# what a login writes, Ansible's temporary files, what readers of packages write, and what notebooks write.
_LIST_FILES = """
import json, os, stat
left_out = {"/proc", "/sys", "/dev", "/run", "/var/log", "/home/ec2-user/.ansible"}
left_out |= {"/var/cache/dnf", "/var/lib/dnf", "/var/lib/rpm/rpmdb.sqlite-shm"}
left_out |= {"/home/jupyter"}
found = {}
for folder, folders, files in os.walk("/"):
    paths = [os.path.join(folder, name) for name in folders + files]
    folders[:] = [name for name in folders if os.path.join(folder, name) not in left_out]
    for path in set(paths).difference(left_out):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        # The time of a folder changes with each temporary file in it; what stays in it is listed itself.
        of_file = [] if stat.S_ISDIR(status.st_mode) else [status.st_size, status.st_mtime_ns]
        found[path] = [status.st_mode, status.st_uid, status.st_gid, *of_file]
print(json.dumps(found))
"""
_RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0 ", re.MULTILINE)


class Checked(NamedTuple):
    """What a run in check mode reported (host -> number of changes), and the node's files around it."""

    changes: dict[str, int]
    before: dict[str, Any]
    after: dict[str, Any]


def check(host: Host) -> Checked:
    """Run the scenario's playbook in check mode, as Molecule runs it."""
    scenario = yaml.safe_load(Path(os.environ["MOLECULE_FILE"]).read_text())
    playbook = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], scenario["ansible"]["playbooks"]["converge"])
    before = files(host)
    finished = subprocess.run(
        ["ansible-playbook", "--inventory", FOLDER / "inventory", "--check", "--diff", playbook],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    changes = {name: int(number) for name, number in _RECAP.findall(finished.stdout)}
    return Checked(changes, before, files(host))


def files(host: Host) -> dict[str, Any]:
    """Return the node's files: path -> mode, owner, group; size and time unless it is a folder."""
    return dict(json.loads(host.check_output("python3 -c %s", _LIST_FILES)))


def nodes() -> list[Host]:
    """Return all nodes of the scenario, for a test of more than one."""
    found = testinfra.get_hosts(
        ["ansible://emr_target"], ansible_inventory=str(FOLDER / "inventory"), sudo=True
    )
    return list(found)
