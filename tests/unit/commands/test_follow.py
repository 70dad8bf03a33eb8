"""`kiln logs -f`: every line once, whatever cuts the connections, and nothing left on a node afterwards."""

from __future__ import annotations

import gzip
import os
import queue
import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from fakes import MASTER, START, FakeAws, VirtualClock, shape
from local_node import LocalNode

from kiln.aws.context import Context
from kiln.aws.effects import Step, StepRequest
from kiln.clock import SystemClock
from kiln.commands import follow
from kiln.diagnosis import node_feed
from kiln.diagnosis.node_feed import Feed, Lost, News, Piece
from kiln.display import terminal
from kiln.emr import steps
from kiln.emr.request import launch_request
from kiln.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kiln.identity import Identity

SUBMITTED = "26/11/21 08:10:00 INFO YarnClientImpl: Submitted application application_1_2\n"
DRIVER = "containers/application_1_2/container_1_2_01_000001"
HANG_SECONDS = 300


def test_in_cluster_mode_the_drivers_application_is_followed_once() -> None:
    driver = follow.DriverSearch()
    driver.see("26/11/21 08:10:00 INFO Client: Uploading\n")
    assert driver.take() == ""
    driver.see(SUBMITTED)
    assert (driver.take(), driver.take()) == ("application_1_2", "")


def test_in_client_mode_the_steps_own_files_are_enough() -> None:
    driver = follow.DriverSearch()
    driver.see("26/11/21 08:09:59 INFO SparkContext: Running Spark version 4.0.2\n")
    driver.see(SUBMITTED)
    assert driver.take() == ""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalNode:
    return LocalNode(tmp_path, monkeypatch, os.environ["PATH"])


def patterns(node: LocalNode) -> list[str]:
    return [f"{node.steps}/s-1/{name}" for name in follow.OWN_FILES]


def begin(script: str) -> subprocess.Popen[bytes]:
    """Run a script as sshd does: as the child of a process that ends with the connection."""
    outer = ["sh", "-c", 'sh -c "$0"; :', script]
    return subprocess.Popen(outer, stdout=subprocess.PIPE)


def test_what_runs_on_a_node_ends_with_the_connection(node: LocalNode) -> None:
    node.log("steps/s-1/stdout", "first\n")
    with begin(node_feed.command(patterns(node), {})) as child:
        assert child.stdout is not None
        assert next(node_feed.read_pieces(child.stdout)) == Piece(f"{node.steps}/s-1/stdout", 0, b"first\n")
        child.kill()
        child.wait()
        # The end of its parent ends it: else this would not end.
        assert child.stdout.read().replace(b"[]\n", b"") == b""


def test_a_script_that_begins_after_the_connection_was_lost_ends_at_once(node: LocalNode) -> None:
    node.log("steps/s-1/stdout", "first\n")
    # The parent has ended before the script begins.
    outer = ["sh", "-c", '(sleep 0.2; exec sh -c "$0") & exec true']
    script = node_feed.command(patterns(node), {})
    finished = subprocess.run([*outer, script], stdout=subprocess.PIPE, check=True, timeout=HANG_SECONDS)
    assert finished.stdout == b""


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), os.mkdir])
def test_what_is_no_regular_file_is_not_read(node: LocalNode, make: Callable[[Path], None]) -> None:
    node.log("steps/s-1/stdout", "first\n")
    make(node.steps / "s-1/stderr")
    with begin(node_feed.command(patterns(node), {})) as child:
        assert child.stdout is not None
        pieces = node_feed.read_pieces(child.stdout)
        assert [next(pieces), next(pieces)] == [
            Piece(f"{node.steps}/s-1/stdout", 0, b"first\n"),
            node_feed.Idle(),
        ]
        child.kill()


@pytest.mark.parametrize(
    "printed",
    [b"x\n", b'["/a", -1, 3]\nabc', b'["/a", 0, 99999999]\nabc', b"{}\n", b"\xff\n", b'["/a", 0]\n'],
)
def test_what_a_node_prints_and_is_no_log_is_refused(printed: bytes, tmp_path: Path) -> None:
    (tmp_path / "printed").write_bytes(printed)
    with (tmp_path / "printed").open("rb") as stream, pytest.raises(ValueError, match="no log"):
        list(node_feed.read_pieces(stream))


def test_a_connection_that_is_cut_again_and_again_gives_each_byte_once(node: LocalNode) -> None:
    count = 100_000
    text = "".join(f"line {number} äöü\n" for number in range(count))
    expected = text.encode()
    news: queue.SimpleQueue[News] = queue.SimpleQueue()
    # More than one piece, so that each connection brings something, and no whole number of them.
    node.cut_after(700_001)
    node.log("steps/s-1/stdout", text[: len(text) // 2])
    feed = Feed(node.ssh(), "10.0.0.7", patterns(node), lambda _feed, one: news.put(one))
    feed.start()
    got, lost, is_grown = b"", 0, False
    while len(got) < len(expected):
        one = news.get(timeout=HANG_SECONDS)
        lost += isinstance(one, Lost)
        if isinstance(one, Piece):
            assert one.begin == len(got)
            got += one.body
        if lost and not is_grown:
            is_grown = True
            node.log("steps/s-1/stdout", text[len(text) // 2 :])
    feed.close()
    assert got == expected
    assert lost >= 2


class Followed:
    """A step on a cluster whose master is this machine, and what `kiln logs -f` shows of it."""

    def __init__(self, node: LocalNode, identity: Identity) -> None:
        self.node = node
        self.aws = FakeAws(VirtualClock())
        self.cluster_id = self.aws.run_job_flow(launch_request(identity, shape(), START))
        self.aws.clock.seconds += 60
        self.aws.step_seconds = 1000.0
        self.aws.nodes[self.cluster_id] = [MASTER]
        self.context = Context(aws=self.aws, clock=SystemClock())
        self.steps: list[Step] = []

    def add(self, name: str) -> Step:
        request = StepRequest(name=name, jar="command-runner.jar", args=("true",))
        (step_id,) = self.aws.add_steps(self.cluster_id, [request])
        (step,) = [one for one in self.aws.list_steps(self.cluster_id) if one.id == step_id]
        self.steps.append(step)
        return step

    def log(self, step: Step, name: str, text: str) -> None:
        self.node.log(f"steps/{step.id}/{name}", text)

    def stored(self, key: str, text: str) -> None:
        self.aws.objects[f"s3://logs/emr/{self.cluster_id}/{key}.gz"] = gzip.compress(text.encode())

    def begin(
        self, more: Callable[[], Sequence[Step] | None] | None = None, containers: str = follow.DRIVER
    ) -> threading.Thread:
        """Follow, in a thread."""
        pending = list(self.steps)

        def once() -> Sequence[Step] | None:
            found, pending[:] = list(pending), []
            return found or None

        follower = follow.Follower(
            context=self.context,
            cluster=self.aws.describe_cluster(self.cluster_id),
            ssh=self.node.ssh(),
            more=more or once,
            look=partial(steps.seen_by_id, self.context, self.cluster_id),
            containers=containers,
        )
        thread = threading.Thread(target=follower.run, daemon=True)
        thread.start()
        return thread

    def end_steps(self) -> None:
        self.aws.clock.seconds += 2000


@pytest.fixture
def followed(node: LocalNode, identity: Identity) -> Followed:
    return Followed(node, identity)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[str]:
    """The lines that were printed."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def out_text(text: str) -> None:
        for line in text.splitlines():
            lines.put(line)

    monkeypatch.setattr(terminal, "out_text", out_text)
    return lines


def taken(lines: queue.SimpleQueue[str], count: int) -> list[str]:
    return [lines.get(timeout=HANG_SECONDS) for _ in range(count)]


def test_a_steps_lines_are_shown_as_they_come_until_it_has_ended(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    step = followed.add("sd")
    followed.log(step, "stdout", "one\n")
    thread = followed.begin()
    assert taken(shown, 1) == ["one"]
    followed.log(step, "stdout", "two\nthr")
    assert taken(shown, 1) == ["two"]
    followed.log(step, "stdout", "ee")
    followed.end_steps()
    thread.join(HANG_SECONDS)
    assert taken(shown, 1) == ["three"]
    assert shown.empty()


def test_of_several_steps_each_line_says_whose_it_is(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    for name in ("sd", "cdd"):
        followed.log(followed.add(name), "stdout", f"from {name}\n")
    thread = followed.begin()
    assert sorted(taken(shown, 2)) == ["cdd | from cdd", "sd | from sd"]
    followed.end_steps()
    thread.join(HANG_SECONDS)
    assert shown.empty()


def test_the_drivers_container_is_followed_in_cluster_mode_and_no_other(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    step = followed.add("sd")
    followed.log(step, "stderr", SUBMITTED)
    followed.node.log("containers/application_1_2/container_1_2_01_000002/stdout", "an executor\n")
    thread = followed.begin()
    assert taken(shown, 1) == [SUBMITTED.strip()]
    followed.node.log(f"{DRIVER}/stdout", "the driver\n")
    assert taken(shown, 1) == ["the driver"]
    followed.end_steps()
    thread.join(HANG_SECONDS)
    assert shown.empty()


def test_executors_are_followed_when_that_is_asked_for(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    step = followed.add("sd")
    followed.log(step, "stderr", SUBMITTED)
    for container in ("000001", "000002"):
        file = f"containers/application_1_2/container_1_2_01_{container}/stdout"
        followed.node.log(file, f"of {container}\n")
    thread = followed.begin(containers=follow.EVERY_CONTAINER)
    lines = taken(shown, 3)
    assert lines[0] == SUBMITTED.strip()
    assert [any(line.endswith(f"of {one}") for line in lines) for one in ("000001", "000002")] == [True, True]
    followed.end_steps()
    thread.join(HANG_SECONDS)
    assert shown.empty()


def test_after_the_clusters_end_s3_has_the_rest_and_no_line_comes_twice(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    step = followed.add("sd")
    followed.log(step, "stderr", SUBMITTED)
    followed.node.log(f"{DRIVER}/stdout", "one\ntw")
    thread = followed.begin()
    assert taken(shown, 2) == [SUBMITTED.strip(), "one"]
    # The node is gone with lines that nobody has read.
    followed.stored(f"steps/{step.id}/stderr", f"{SUBMITTED}the end\n")
    followed.stored(f"{DRIVER}/stdout", "one\ntwo\nthree\n")
    followed.stored("containers/application_1_2/container_1_2_01_000002/stdout", "an executor\n")
    followed.aws.terminate_cluster(followed.cluster_id)
    followed.end_steps()
    followed.node.go_down()
    thread.join(HANG_SECONDS)
    assert taken(shown, 3) == ["the end", "two", "three"]
    assert shown.empty()


def test_steps_that_are_added_meanwhile_are_followed_too(
    followed: Followed, shown: queue.SimpleQueue[str]
) -> None:
    first = followed.add("sd")
    followed.log(first, "stdout", "from sd\n")
    given, is_over = [[first]], threading.Event()

    def more() -> Sequence[Step] | None:
        return given.pop() if given else None if is_over.is_set() else []

    thread = followed.begin(more)
    assert taken(shown, 1) == ["from sd"]
    second = followed.add("cdd")
    followed.log(second, "stdout", "from cdd\n")
    given.append([second])
    assert taken(shown, 1) == ["cdd | from cdd"]
    is_over.set()
    followed.end_steps()
    thread.join(HANG_SECONDS)


@pytest.mark.parametrize("said", ["connect to host 10.0.0.7 port 22: refused", ""])
def test_a_master_that_ssh_does_not_reach_is_an_error_and_not_the_end_of_the_log(
    followed: Followed, said: str
) -> None:
    ssh = followed.node.folder / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\n[ "$1" = -E ] && echo "{said}" >"$2"\nexit 255\n')
    step = followed.add("sd")
    follower = follow.Follower(
        context=followed.context,
        cluster=followed.aws.describe_cluster(followed.cluster_id),
        ssh=followed.node.ssh(),
        more=lambda: [step],
        look=lambda _: {},
    )
    with pytest.raises(PreflightError, match=said or "the connection was lost"):
        follower.run()
