"""What steps leave in S3 is never trusted: one bad file costs nothing but itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from fakes import FakeAws, VirtualClock
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln.display import summary
from kiln.runs import outputs
from kiln.runs.result import Result
from kiln.settings.model import StepSettings

STEPS = (
    StepSettings(name="sd", jar="j", outputs=("s3://b/sd/", "s3://b/other")),
    StepSettings(name="cdd", jar="j", outputs=("s3://b/cdd/",)),
)


def collected(files: dict[str, bytes], **faults: dict[int, str]) -> list[outputs.Output]:
    aws = FakeAws(VirtualClock())
    aws.objects = {f"s3://b/{name}": body for name, body in files.items()}
    aws.faults = faults.get("faults", {})
    return outputs.collect(aws, STEPS)


def one(body: bytes) -> outputs.Output:
    """Return what comes of one hostile file, and check that it costs the others nothing."""
    first, _, last = collected(
        {"sd/metrics.json": body, "sd/part": b"12345", "cdd/x/metrics.json": b'{"a":1}'}
    )
    assert (first.objects, first.bytes) == (2, len(body) + 5)
    assert (last.metrics, last.problems) == ({"x/metrics.json": {"a": 1}}, [])
    return first


@many
@given(st.one_of(documents().map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_metrics_of_any_kind_fit_a_ledger(body: bytes) -> None:
    found = one(body)
    assert found.metrics or found.problems
    # What the ledger and the result are written with; it takes neither lone surrogates nor huge integers.
    assert msgspec.json.decode(msgspec.json.encode(found)) == msgspec.to_builtins(found)


@pytest.mark.parametrize(
    ("body", "problem", "kept"),
    [
        (b'{"a": NaN, "b": -Infinity, "d": 2}', "not finite", {"a": None, "b": None, "d": 2}),
        (b"[1e999]", "not finite", [None]),
        (b'{"a": "\\ud800x"}', "surrogate", {"a": "\ufffdx"}),
        (b'{"\\udfff": 1}', "surrogate", {"\ufffd": 1}),
        (b'{"a": 1' + b"0" * 30 + b"}", "64 bits", {"a": None}),
        (b'{"a": "' + b"x" * 3000 + b'"}', "2000 characters", {"a": "x" * 2000}),
        (json.dumps(list(range(300))).encode(), "200 members", list(range(200))),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "8 levels", None),
        (b"[" * 60_000, "no JSON", None),
        (b"1" * 60_000, "no JSON", None),
        (b"\xff\xfe\x00", "no JSON", None),
        (b"", "no JSON", None),
    ],
)  # fmt: skip
def test_what_a_ledger_cannot_hold_is_left_out_and_said(body: bytes, problem: str, kept: Any) -> None:
    found = one(body)
    assert len(found.problems) == 1
    assert problem in found.problems[0]
    if kept is not None:
        assert found.metrics == {"metrics.json": kept}


def test_100_mb_of_metrics_are_not_read() -> None:
    found = one(b" " * 100_000_000)
    assert found.metrics == {}
    assert found.problems == ["metrics.json: has 100000000 bytes; only files up to 65536 bytes are read"]


@pytest.mark.parametrize("kind", ["throttled", "lost_before", "refused", "bug"])
@pytest.mark.parametrize("call", range(4))
def test_a_call_that_fails_costs_one_output_only(kind: str, call: int) -> None:
    files = {"sd/metrics.json": b"{}", "other/metrics.json": b"{}", "cdd/metrics.json": b"{}"}
    found = collected(files, faults={call: kind})
    assert [output.uri for output in found] == ["s3://b/sd/", "s3://b/other/", "s3://b/cdd/"]
    assert sorted(bool(output.problems) for output in found) == [False, False, True]


def test_of_many_files_of_metrics_some_are_read() -> None:
    found, *_ = collected({f"sd/{number}/metrics.json": b"{}" for number in range(50)})
    assert (found.objects, len(found.metrics)) == (50, 20)
    assert found.problems == ["30 more metrics.json were not read"]


def test_the_summary_shows_problems_and_quotes_what_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILN_PROGRAM", "/a b/kiln")
    result = Result(environment="local", pipeline="p", run_id="r;1", exit_code=14, cluster_id="j-1")
    result.cluster_state = "WAITING"
    result.outputs = [outputs.Output(step="sd", uri="s3://b/", problems=["metrics.json: is gone"])]
    assert "    note: metrics.json: is gone" in summary.lines(result)
    commands = summary.next_commands(result)
    assert commands[0] == "'/a b/kiln' diagnose p --env local --run-id 'r;1'"
    assert all(command.endswith("--run-id 'r;1'") for command in commands)
