"""Nobody reads what a run shows any more: it goes on, ends its cluster, and keeps its exit code."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import run_world
from run_world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

# A run in a process of its own, which shows what it does on stderr. It says READY when a reader may go, and
# goes on when stdin is closed.
RUN = """
import sys
import run_world
from kiln.display import progress

world = run_world.World()
shown = progress.reporter(world.clock, {}, ["launch"])
run_world.Silence = lambda: shown
world.playbooks.during["provision"] = lambda: (print("READY", flush=True), sys.stdin.read())
result = world.run()
shown.close()
ended = "TerminateJobFlows" in world.aws.calls and not world.aws.live()
print(type(shown).__name__, result.exit_code, result.message, "ended" if ended else "left behind")
"""
# A command's end: lines on stderr, JSON on stdout, an exit code of its own.
COMMAND = """
import sys, types
from kiln import cli
from kiln.display import failure, terminal
from kiln.errors import NotTerminatedError

def main(arguments):
    sys.stdin.read()
    terminal.err("how it went")
    if arguments.env == "raises":
        raise NotTerminatedError("still there")
    if arguments.env == "text":
        terminal.out_text("x" * 100_000)
    terminal.out_json({"exit_code": 14})
    return 14

sys.modules["kiln.commands." + sys.argv[1]] = types.SimpleNamespace(main=main)
sys.exit(cli.main([sys.argv[1], "p", "--env", sys.argv[2], "-o", "json"]))
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(run_world.__file__).parent), "TERM": "xterm"}


def started(code: str, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=stderr, env=ENVIRONMENT)


def outcome_of(run: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Let a run go on whose reader has gone; return its exit code and its last line."""
    assert run.stdin
    assert run.stdout
    run.stdin.close()
    with run.stdout:
        line = run.stdout.read().decode().strip()
    return run.wait(timeout=60), line


@pytest.mark.processes
def test_a_closed_pipe_leaves_no_cluster() -> None:
    with started(RUN) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline() == b"READY\n"
        run.stderr.close()
        assert outcome_of(run) == (0, "Lines 0  ended")


@pytest.mark.processes
def test_a_closed_terminal_leaves_no_cluster() -> None:
    ours, theirs = pty.openpty()
    with started(RUN, stderr=theirs) as run:
        os.close(theirs)
        seen = b""
        while b"READY" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)
        assert outcome_of(run) == (0, "Bars 0  ended")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("command", "environment", "closed", "code"),
    [
        ("run", "ends", "stderr", 14),
        ("run", "ends", "stdout", 14),
        ("run", "raises", "stderr", 20),
        ("run", "raises", "stdout", 20),
        # Not even a pipe that breaks in the middle makes a run a success.
        ("run", "text", "stdout", 1),
        ("status", "ends", "stderr", 14),
        # kiln status | head -1
        ("status", "text", "stdout", 0),
    ],
)
def test_the_exit_code_does_not_depend_on_who_reads(
    command: str, environment: str, closed: str, code: int
) -> None:
    with started(COMMAND, command, environment) as run:
        getattr(run, closed).close()
        assert run.stdin
        run.stdin.close()
        assert run.wait(timeout=60) == code


class Broken:
    """A reporter with a fault in all that it does."""

    @contextmanager
    def phase(self, _name: str) -> Iterator[None]:
        raise RuntimeError("a fault in what is shown")
        yield

    def fails(self, *_: Any) -> None:
        raise RuntimeError("a fault in what is shown")

    line = now = close = fails


def test_a_fault_in_the_reporter_leaves_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_world, "Silence", Broken)
    world = World()
    world.run("launch")
    world.run()
    assert "TerminateJobFlows" in world.aws.calls
    assert world.aws.live() == []
