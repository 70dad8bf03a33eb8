"""`kiln hold` and `kiln run --hold-on-failure` on the command line."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeAws, FakeCluster, VirtualClock, shape

from kiln import cli
from kiln.arguments import parser
from kiln.commands import run, shared
from kiln.emr.request import launch_request
from kiln.errors import UsageError
from kiln.settings import resolve

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.identity import Identity


@pytest.fixture
def _held_world(monkeypatch: pytest.MonkeyPatch, context: Context, aws: FakeAws, identity: Identity) -> None:
    """A live cluster in the account of the command."""
    monkeypatch.setattr(resolve, "part", lambda *_: SimpleNamespace(kiln_state_uri="s3://state/kiln"))
    monkeypatch.setattr(shared, "context_of", lambda _: context)
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)


@pytest.mark.usefixtures("_held_world")
def test_a_live_cluster_is_held_and_status_shows_it(
    aws: FakeAws, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    clock.seconds = 100
    named = ["model_building", "--env", "local"]
    assert cli.main(["hold", *named, "--for", "30m"]) == 0
    assert "cluster j-1 is kept until 2026-11-21T08:01:40Z" in capsys.readouterr().out
    assert aws.clusters["j-1"].tags["held_until"] == "2026-11-21T08:01:40Z"
    assert cli.main(["status", *named]) == 0
    assert "held for debugging until 2026-11-21T08:01:40Z" in capsys.readouterr().out
    assert cli.main(["hold", *named, "--for", "2h", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["held_until"]) == ("hold", "2026-11-21T09:31:40Z")


@pytest.mark.usefixtures("_held_world")
def test_an_ended_cluster_cannot_be_held(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.clusters.clear()
    assert cli.main(["hold", "model_building", "--env", "local", "--for", "30m"]) == 18
    assert "no live cluster" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "59s", "8d", "1.5h", "", "-1", "soon"])
def test_a_duration_out_of_range_is_one_clear_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["hold", "p", "--env", "local", f"--for={text}"],
        ["run", "p", "--env", "local", f"--hold={text}"],
        ["run", "p", "--env", "local", f"--hold-on-failure={text}"],
    ):
        assert cli.main(words) == 2
        assert "no duration from 60s to 7d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ("--hold", ("kiln_after_failure=keep", "kiln_after_success=keep")),
        ("--hold-on-failure", ("kiln_after_failure=keep",)),
    ],
)
def test_a_hold_stands_for_settings_of_a_whole_run(option: str, kept: tuple[str, ...]) -> None:
    arguments = parser.parser().parse_args(["run", "p", "--env", "local", option, "2h"])
    assert run._hold(arguments, []) == (*kept, "kiln_hold_seconds=7200")
    with pytest.raises(UsageError, match=f"^{option} is for whole runs"):
        run._hold(arguments, ["sd"])
    without = parser.parser().parse_args(["run", "p", "--env", "local"])
    assert run._hold(without, []) == ()
