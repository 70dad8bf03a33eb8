"""How `kiln tunnel` waits: until a signal, the end of the cluster, or the end of ssh."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import MASTER, START, FakeAws, FakeCluster, VirtualClock, shape

from kiln import cli
from kiln.aws.effects import Ec2Instance
from kiln.commands import shared, tunnelled
from kiln.commands import tunnel as command
from kiln.commands.tunnelled import Target
from kiln.diagnosis.child_output import Output
from kiln.diagnosis.ssh import Ssh
from kiln.diagnosis.tunnel import DATA_SCIENCE_PAGES, PAGES, Destination
from kiln.emr.request import launch_request
from kiln.errors import InterruptedRunError, PreflightError
from kiln.host_keys.known_hosts import KnownHosts
from kiln.settings import resolve
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.aws.context import Context
    from kiln.identity import Identity


NAMED = ["tunnel", "--env", "local"]
NOWHERE = Destination(
    Ssh(user="x", key_file="", known_hosts=KnownHosts(folder=Path("none"), cluster_id="x")),
    *("10.0.0.9", "127.0.0.1", DATA_SCIENCE_PAGES),
)


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
    target = Target("j-1", "the master of j-1", NOWHERE, tunnelled.end_of_cluster("j-1"), is_cluster=True)
    return command._watch(context, [(target, opened)], 1)  # type: ignore[list-item]  # all that is used


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


INSTANCE = Ec2Instance(
    id="i-0notebooks",
    state="running",
    launched_at=START,
    private_ip_address="10.0.0.9",
    tags={"managed_by": "kiln", "environment": "local", "data_science": "persistent"},
)


class World:
    """An environment whose tunnels are noted in place of being opened; Ctrl-C follows at once."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.opened: list[tuple[str, str, list[int]]] = []

    @contextmanager
    def open(self, context: Context, to: Destination, ports: list[int]) -> Iterator[Opened]:
        assert len(ports) == len(to.pages)
        self.opened.append((f"{to.ssh.user}@{to.address}", to.listens, [page.port for page in to.pages]))
        context.stop.request(signal.SIGINT)
        yield Opened()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, context: Context, aws: FakeAws, tmp_path: Path) -> World:
    made = World(aws)
    account = SimpleNamespace(
        kiln_state_uri="s3://state/kiln",
        kiln_poll_interval_seconds=1,
        emr_cluster_ssh_user="hadoop",
        emr_cluster_private_key_file="",
        emr_cluster_ssh_proxy_command="",
    )
    monkeypatch.setenv("KILN_CHECKOUT", str(tmp_path))
    monkeypatch.setattr(resolve, "part", lambda *_: account)
    monkeypatch.setattr(shared, "context_of", lambda _: context)
    monkeypatch.setattr("kiln.diagnosis.tunnel.opened", made.open)
    monkeypatch.setattr("kiln.diagnosis.tunnel.answers", lambda port: port == 8888)
    monkeypatch.setattr("kiln.diagnosis.tunnel.local_ports", lambda pages, _: [page.port for page in pages])
    return made


def with_cluster(aws: FakeAws, identity: Identity, cluster_id: str) -> None:
    aws.clusters[cluster_id] = FakeCluster(cluster_id, launch_request(identity, shape(), START), 0.0)
    aws.nodes[cluster_id] = [MASTER]


JUPYTER_TUNNEL = ("ec2-user@10.0.0.9", "127.0.0.1", [8888, 8866])
MASTER_TUNNEL = ("hadoop@10.0.0.7", "10.0.0.7", [page.port for page in PAGES])


def test_without_a_pipeline_the_instance_and_the_only_live_cluster_are_opened(
    world: World, clock: VirtualClock, identity: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    world.aws.instances[INSTANCE.id] = INSTANCE
    with_cluster(world.aws, identity, "j-1")
    clock.seconds = 100
    assert cli.main(NAMED) == 0
    assert world.opened == [JUPYTER_TUNNEL, MASTER_TUNNEL]
    written = capsys.readouterr()
    first, *others = written.out.splitlines()
    assert first == f"{'JupyterLab':<22}http://127.0.0.1:8888/lab"
    assert [line.partition("(")[2] for line in others] == [
        "nothing answers on port 8866 of the data-science instance i-0notebooks)",
        *(f"nothing answers on port {page.port} of the master of j-1)" for page in PAGES),
    ]
    assert written.err.splitlines()[-1] == "kiln: tunnel closed"


def test_of_several_clusters_none_is_chosen(
    world: World, clock: VirtualClock, identity: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        with_cluster(world.aws, identity, f"j-{number}")
    clock.seconds = 100
    assert cli.main(NAMED) == 18
    said = capsys.readouterr().err
    assert "local has no data-science instance and 2 live clusters" in said
    assert "kiln tunnel PIPELINE --env local" in said
    world.aws.instances[INSTANCE.id] = INSTANCE
    assert cli.main(NAMED) == 0
    assert world.opened == [JUPYTER_TUNNEL]
    assert "kiln: 2 clusters run: name one's pipeline for its pages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ({}, "local has no data-science instance and no live cluster"),
        ({"i-1": "stopped"}, "the data-science instance i-1 is stopped"),
        ({"i-1": "running", "i-2": "running"}, "local has several data-science instances: i-1, i-2"),
    ],
)
def test_nothing_to_open_is_one_line_with_exit_18(
    world: World, capsys: pytest.CaptureFixture[str], instances: dict[str, str], message: str
) -> None:
    for name, state in instances.items():
        world.aws.instances[name] = msgspec.structs.replace(INSTANCE, id=name, state=state)
    assert cli.main(NAMED) == 18
    assert message in capsys.readouterr().err
    assert world.opened == []


@pytest.mark.usefixtures("world")
def test_a_run_without_its_pipeline_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*NAMED, "--run-id", "r1"]) == 2
    assert "--run-id needs a pipeline" in capsys.readouterr().err


@pytest.mark.parametrize(("read", "shown"), [("abc123\n", "?token=abc123"), ("\x1b[31m", ""), (None, "")])
def test_the_token_is_shown_on_a_terminal_only(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    read: str | None,
    shown: str,
) -> None:
    world.aws.instances[INSTANCE.id] = INSTANCE
    asked: list[Any] = []

    def output(_: Ssh, *words: Any) -> Output | None:
        asked.append(words)
        return None if read is None else Output(read, is_cut=False)

    monkeypatch.setattr(Ssh, "read", output)
    assert cli.main([*NAMED, "-o", "json"]) == cli.main(NAMED) == 0
    assert asked == []
    assert "token" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(NAMED) == 0
    jupyterlab, dashboard = capsys.readouterr().out.splitlines()
    assert jupyterlab.endswith(f"http://127.0.0.1:8888/lab{shown}")
    assert f"http://127.0.0.1:8866/{shown}  (nothing answers" in dashboard
