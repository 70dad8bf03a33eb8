"""What a step's command does first, by whether the run's cluster is there and ready."""

from __future__ import annotations

import pytest

from kiln import phases
from kiln.ledger.schema import Attempt, Phase, Run
from kiln.runs import preparing, selection
from kiln.settings.model import StepSettings

STEPS = (StepSettings(name="load", jar="x"),)
ALL = ["launch", "provision", "deploy"]
HERE, GONE = "j-0000000000001", None


@pytest.mark.parametrize(
    ("wanted", "done", "cluster", "first"),
    [
        (ALL, ALL, HERE, []),
        (ALL, ["launch", "provision"], HERE, ALL),
        (ALL, ALL, GONE, ALL),
        # A pipeline that has nothing to provision or deploy is ready when its cluster is.
        (["launch"], ["launch"], HERE, []),
        (["launch"], ["launch"], GONE, ["launch"]),
        (["launch"], [], HERE, ["launch"]),
    ],
)
def test_what_is_missing_before_a_step_is_done_first(
    wanted: list[str], done: list[str], cluster: str | None, first: list[str]
) -> None:
    ended = [Phase(name=name, status="ok", seconds=1.0, ended_at="2026-01-01T00:01:00Z") for name in done]
    run = Run(
        environment="local",
        pipeline="p",
        run_id="r",
        created_at="2026-01-01T00:00:00Z",
        attempts=[Attempt(intent_at="2026-01-01T00:00:00Z", cluster_id=HERE)],
        phases=ended,
    )
    rows = [row for row in phases.BEFORE_STEPS if row.name in wanted]
    found = preparing.completed(selection.make(["load"], STEPS), STEPS, run, cluster, rows)
    assert found.names == [*first, "load"]
