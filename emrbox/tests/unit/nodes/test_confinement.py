"""What a confined process may do. It is root of a user namespace: nothing else holds it back."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from emrbox.nodes.confinement import KEPT_CAPABILITIES, REFUSED_CALLS

CONFINE = """
import os, sys
from emrbox.nodes import confinement
confinement.confine()
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""
PROBE = """
import ctypes, errno, json, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def refusal(number, *arguments):
    return 0 if libc.syscall(number, *arguments) >= 0 else ctypes.get_errno()
calls = json.loads(sys.argv[1])
with open("/proc/self/status") as file:
    status = dict(line.rstrip().split(":", 1) for line in file)
print(json.dumps({
    "allowed": [name for name, number in calls.items() if refusal(number, 0, 0, 0, 0, 0) != errno.EPERM],
    "capabilities": {name: int(value, 16) for name, value in status.items() if name.startswith("Cap")},
    "other numbers": refusal(0x40000000 + 39),
    "clone3": refusal(435, 0, 0) == errno.ENOSYS,
    "new user namespace": refusal(56, 0x10000000 | 17, 0, 0, 0, 0),
    "programs": subprocess.run(["sh", "-c", "id -u"], capture_output=True).stdout.decode().strip(),
}))
"""


@pytest.fixture(scope="module")
def probed() -> dict[str, Any]:
    command = [sys.executable, "-c", CONFINE, PROBE, json.dumps(REFUSED_CALLS)]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", *command], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def test_every_call_of_the_table_is_refused(probed: dict[str, Any]) -> None:
    assert probed["allowed"] == []
    assert probed["other numbers"] != 0
    assert probed["clone3"]
    assert probed["new user namespace"] != 0


def test_no_capability_but_those_of_the_table_is_left(probed: dict[str, Any]) -> None:
    kept = sum(1 << number for number in KEPT_CAPABILITIES.values())
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert probed["capabilities"][name] & ~kept == 0
    assert probed["capabilities"]["CapInh"] == probed["capabilities"]["CapAmb"] == 0
    assert probed["capabilities"]["CapEff"] != 0


def test_ordinary_programs_run(probed: dict[str, Any]) -> None:
    assert probed["programs"] == "0"
