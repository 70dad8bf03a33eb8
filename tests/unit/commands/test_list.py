"""`kiln list`: a damaged ledger is a row, and what is not shown is said."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeAws, VirtualClock
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln import cli
from kiln.aws.context import Context
from kiln.commands import list as command
from kiln.commands import shared
from kiln.errors import ThrottledError
from kiln.settings import resolve

if TYPE_CHECKING:
    from kiln.ledger.store import Ledger

STATE = "s3://state/kiln"
FOLDER = f"{STATE}/ledger/local/model_building/"
KEYS = ("environment", "pipeline", "run_id", "created_at")


def past(objects: dict[str, bytes], limit: int = 20, **faults: dict[int, str]) -> command.Past:
    clock = VirtualClock()
    aws = FakeAws(clock)
    aws.objects = {FOLDER + name: body for name, body in objects.items()}
    aws.faults = faults.get("faults", {})
    asked = command.Asked(STATE, "local", ["model_building"], frozenset())
    return command.past_runs(Context(aws=aws, clock=clock), asked, limit)


def good(**more: Any) -> bytes:
    return json.dumps(dict.fromkeys(KEYS, "x") | more).encode()


def ledgers() -> st.SearchStrategy[bytes]:
    keys = st.sampled_from([*KEYS, "verdict", "attempts", "version", "exit_code", "events"])
    near = st.builds(lambda key, value: good(**{key: value}), keys, documents())
    return st.one_of(near, st.binary(max_size=60), near.map(lambda body: body[: len(body) // 2]))


@many
@given(st.lists(ledgers(), min_size=1, max_size=2))
def test_no_ledger_hides_another(bodies: list[bytes]) -> None:
    objects = {f"bad{number}.json": body for number, body in enumerate(bodies)} | {"good.json": good()}
    found = past(objects)
    assert len(found.rows) == len(objects)
    assert found.rows[-1] == {
        "pipeline": "model_building",
        "run_id": "good",
        "created_at": "x",
        "verdict": "no_step",
        "exit_code": None,
        "drivers": [],
    }
    unreadable = [row for row in found.rows if row["verdict"] == "unreadable"]
    assert len(found.problems) <= len(bodies)
    assert len(unreadable) >= len(found.problems)


def test_a_ledger_that_s3_does_not_hand_out_is_a_row_too() -> None:
    found = past({"a.json": good(), "b.json": good()}, faults={1: "refused"})
    assert sorted(row["verdict"] for row in found.rows) == ["no_step", "unreadable"]
    assert found.problems == ["refused"]


def test_runs_whose_end_aws_does_not_say_are_listed_as_their_ledgers_have_them_after_a_minute() -> None:
    def refuse(_call: int) -> None:
        if aws.calls[-1] in {"DescribeCluster", "ListSteps"}:
            raise ThrottledError("Rate exceeded")

    clock = VirtualClock()
    aws = FakeAws(clock)
    attempt = {"intent_at": "x", "cluster_id": "j-1ABCDEFGHIJKL", "ended_at": "x"}
    step = {"name": "sd", "cluster_id": "j-1ABCDEFGHIJKL", "intent_at": "x", "step_id": "s-1ABCDEFGHIJKL"}
    left = good(attempts=[attempt], steps=[step])
    aws.objects = {f"{FOLDER}{number}.json": left for number in range(20)}
    aws.before_call = refuse
    asked = command.Asked(STATE, "local", ["model_building"], frozenset())
    found = command.past_runs(Context(aws=aws, clock=clock), asked, 20)
    assert clock.seconds <= 61
    assert [row["verdict"] for row in found.rows] == ["running"] * 20
    assert len(found.problems) == 20


def test_older_runs_are_counted() -> None:
    objects = {f"{number}.json": good() for number in range(30)} | {"preflight": b""}
    assert (len(past(objects).rows), past(objects).left_out) == (20, 10)
    assert (len(past(objects, limit=100).rows), past(objects, limit=100).left_out) == (30, 0)


def run(monkeypatch: pytest.MonkeyPatch, context: Context, *arguments: str) -> int:
    monkeypatch.setattr(resolve, "part", lambda *_: SimpleNamespace(kiln_state_uri=STATE))
    monkeypatch.setattr(shared, "context_of", lambda _: context)
    return cli.main(["list", "model_building", "--env", "local", *arguments])


def test_what_is_not_shown_is_reported_with_the_command_that_shows_it(
    context: Context,
    aws: FakeAws,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger.note("begun")
    aws.objects |= {f"{FOLDER}{number}\x1b[2J.json": b"damaged \x1b[2J" for number in range(4)}
    assert run(monkeypatch, context, "-n", "2") == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    assert "3 older runs are not shown; all: kiln list model_building --env local --limit 5" in shown.err
    assert run(monkeypatch, context, "--limit", "9") == 0
    shown = capsys.readouterr()
    assert "unreadable" in shown.out
    assert "not shown" not in shown.err
    assert "\x1b" not in shown.out + shown.err
    assert run(monkeypatch, context, "-o", "json", "-n", "1") == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["runs"]), document["runs_left_out"]) == (1, 4)


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1.5", "²"])
def test_a_limit_that_is_no_number_is_refused(capsys: pytest.CaptureFixture[str], limit: str) -> None:
    assert cli.main(["list", "--env", "local", f"--limit={limit}"]) == 2
    assert "no whole number" in capsys.readouterr().err


def test_an_aws_that_does_not_answer_is_no_fault_in_kiln(
    context: Context, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault, code in {"lost_before": 19, "throttled": 19, "refused": 10}.items():
        aws.every_call = fault
        assert run(monkeypatch, context) == code
        assert capsys.readouterr().err.startswith("kiln: ")
