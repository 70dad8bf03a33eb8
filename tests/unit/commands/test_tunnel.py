"""How `kiln tunnel` waits: until a signal, the end of the cluster, or the end of ssh."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeAws, FakeCluster, VirtualClock, shape

from kiln.commands import tunnel as command
from kiln.diagnosis.tunnel import PAGES
from kiln.emr.request import launch_request
from kiln.errors import InterruptedRunError, PreflightError
from kiln.stop import Stop

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.identity import Identity


class Opened:
    """A tunnel that stays open until it is told not to."""

    def __init__(self) -> None:
        self.error: PreflightError | None = None

    def check(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def _cluster(aws: FakeAws, clock: VirtualClock, identity: Identity) -> None:
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    clock.seconds = 100


def watch(context: Context, opened: Opened) -> int:
    return command._watch(context, opened, "j-1", 1)  # type: ignore[arg-type]  # all that is used


@pytest.mark.usefixtures("_cluster")
def test_the_end_of_the_cluster_closes_the_tunnel_also_when_ssh_was_first(
    context: Context, aws: FakeAws, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Opened()
    aws.clusters["j-1"].ended_at = 1000

    def die(_: int) -> None:
        if clock.seconds >= 1000:
            opened.error = PreflightError("ssh has ended")

    aws.before_call = die
    assert watch(context, opened) == 0
    assert "cluster j-1 was terminated by user request: tunnel closed" in capsys.readouterr().err
    assert len(aws.calls) <= 900 / 15 + 1


@pytest.mark.usefixtures("_cluster")
def test_an_ssh_that_ends_while_its_cluster_lives_is_an_error(context: Context) -> None:
    opened = Opened()
    opened.error = PreflightError("ssh has ended with exit code 255")
    with pytest.raises(PreflightError, match="255"):
        watch(context, opened)


@pytest.mark.usefixtures("_cluster")
def test_an_aws_that_gives_no_answer_for_a_time_does_not_close_it(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    aws.clusters["j-1"].ended_at = 3000
    aws.before_call = lambda at: aws.faults.update({at: "throttled"} if clock.seconds < 2500 else {})
    assert watch(context, Opened()) == 0


@pytest.mark.usefixtures("_cluster")
def test_a_signal_ends_the_wait(context: Context, aws: FakeAws) -> None:
    stop = Stop()
    aws.before_call = lambda _: stop.request(signal.SIGINT)
    with pytest.raises(InterruptedRunError):
        watch(replace(context, stop=stop), Opened())


def test_the_addresses_are_shown_with_what_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kiln.diagnosis.tunnel.answers", lambda port: port == 9000)
    arguments = type("Arguments", (), {"output": None, "command": "tunnel"})()
    command._show(arguments, "j-1", [9000, 9001, 9002])
    first, *others = capsys.readouterr().out.splitlines()
    assert first.split("  ")[0] == PAGES[0].name
    assert first.endswith("http://127.0.0.1:9000/")
    assert [line.partition("(")[2] for line in others] == [
        f"nothing answers on port {page.port} of the master)" for page in PAGES[1:]
    ]
