"""`kiln reap` on the command line: the table, the JSON line, exit codes, text of others."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeAws, FakeCluster, VirtualClock, shape

from kiln import cli
from kiln.commands import shared
from kiln.emr.request import launch_request
from kiln.identity import Identity
from kiln.settings import resolve

if TYPE_CHECKING:
    from kiln.aws.context import Context

ACCOUNT = SimpleNamespace(
    kiln_state_uri="s3://state/kiln",
    kiln_terminate_timeout_seconds=300,
    kiln_poll_interval_seconds=5,
    kiln_reap_grace_seconds=900,
    kiln_notifications=(),
)


@pytest.fixture
def _account(monkeypatch: pytest.MonkeyPatch, context: Context) -> None:
    monkeypatch.setattr(resolve, "part", lambda *_: ACCOUNT)
    monkeypatch.setattr(shared, "context_of", lambda _: context)


@pytest.fixture
def expired(aws: FakeAws, clock: VirtualClock) -> str:
    """A cluster whose expiry has passed, and its owner's name with a line break in it."""
    identity = Identity(
        environment="local", pipeline="model_building", run_id="r1", owner="ops\nj-2  \x1b[2J"
    )
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    clock.seconds = timedelta(hours=2, seconds=5).total_seconds()
    return "j-1"


@pytest.mark.usefixtures("_account")
def test_a_dry_run_shows_a_table_and_the_command_that_ends_them(
    aws: FakeAws, expired: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["reap", "--env", "local"]) == 0
    head, row, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "PIPELINE", "RUN", "STATE", "AGE", "OWNER", "ACTION", "REASON"]
    assert row.split()[:5] == [expired, "model_building", "r1", "WAITING", "2:00:05"]
    assert "expired: expired at 2026-11-21T09:30:00Z" in row
    assert "\x1b" not in row
    assert last == "1 to end; nothing was changed. To end them: kiln reap --env local --yes"
    assert aws.live() == [expired]


@pytest.mark.usefixtures("_account")
def test_yes_ends_them_and_json_is_one_line(
    aws: FakeAws, expired: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["reap", "--env", "local", "--yes", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["kind"], document["dry_run"]) == (1, "reap", False)
    (row,) = document["rows"]
    assert (row["id"], row["reason"], row["ended"]) == (expired, "expired", True)
    assert aws.live() == []


@pytest.mark.usefixtures("_account")
def test_nothing_to_do_is_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert capsys.readouterr().out == "nothing to end in local\n"


@pytest.mark.usefixtures("_account")
def test_an_end_that_is_not_confirmed_is_exit_20(
    aws: FakeAws, expired: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.never_ends = True
    assert cli.main(["reap", "--env", "local", "--yes"]) == 20
    shown = capsys.readouterr()
    assert "0 of 1 ended" in shown.out
    assert f"cluster {expired} ended" in shown.err


@pytest.mark.usefixtures("_account")
def test_an_aws_that_does_not_answer_is_an_error_of_one_line(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault, code in {"lost_before": 19, "throttled": 19, "refused": 10}.items():
        aws.every_call = fault
        assert cli.main(["reap", "--env", "local", "--yes"]) == code
        assert capsys.readouterr().err.startswith("kiln: ")
