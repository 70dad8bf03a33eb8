from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kiln import this_process


def child() -> subprocess.Popen[str]:
    waits = "import sys; print('up', flush=True); sys.stdin.read()"
    one = subprocess.Popen(
        [sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert one.stdout
    one.stdout.readline()
    return one


def test_a_killed_process_is_known_to_have_ended_before_and_after_its_parent_asks() -> None:
    with child() as one:
        begun = this_process.started(one.pid)
        assert begun
        assert not this_process.has_ended(this_process.machine(), one.pid, begun)
        one.kill()
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
        assert this_process.has_ended(this_process.machine(), one.pid, begun)
        one.wait()
        assert this_process.has_ended(this_process.machine(), one.pid, begun)


def test_another_process_with_the_same_number_is_not_the_one() -> None:
    assert this_process.has_ended(this_process.machine(), os.getpid(), "1")


@pytest.mark.parametrize(
    ("machine", "pid", "started"),
    [("", 1, "1"), ("other", 2**22, "1"), (None, 2**22, ""), (None, 0, "1"), (None, -1, "1")],
)
def test_nothing_is_known_about_other_machines_and_numbers_that_are_none(
    machine: str | None, pid: int, started: str
) -> None:
    assert not this_process.has_ended(this_process.machine() if machine is None else machine, pid, started)


def test_a_number_that_no_process_can_have_has_ended() -> None:
    assert this_process.has_ended(this_process.machine(), 2**70, "1")
