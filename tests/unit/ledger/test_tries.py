"""The tries of a step, by number."""

from __future__ import annotations

import pytest

from kiln.errors import UsageError
from kiln.ledger import tries
from kiln.ledger.schema import Run, StepEntry

AT = "2026-11-21T07:30:00Z"


def entry(name: str, step_id: str | None, cluster: str = "j-1") -> StepEntry:
    return StepEntry(name=name, cluster_id=cluster, intent_at=AT, step_id=step_id)


RUN = Run(
    environment="local",
    pipeline="p",
    run_id="r1",
    created_at=AT,
    steps=[entry("sd", "s-1"), entry("cdd", "s-2"), entry("sd", None), entry("sd", "s-3", "j-2")],
)


def test_tries_are_counted_over_all_clusters_of_the_run() -> None:
    assert [one.step_id for one in tries.tries_of(RUN, "sd")] == ["s-1", "s-3"]
    assert tries.try_of(RUN, "sd", 2).cluster_id == "j-2"


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [("sd", 3, "has 2 tries"), ("sd", 0, "has 2 tries"), ("cdd", 2, "has one try"), ("x", 1, "has no try")],
)
def test_a_try_that_was_not_made_is_refused_with_how_many_there_were(
    name: str, number: int, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as error:
        tries.try_of(RUN, name, number)
    assert error.value.fix
