"""Which step, and which try of it, `logs` and `diagnose` are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from run_world import World

from kiln.commands.chosen import Chosen
from kiln.commands.shared import Known
from kiln.emr import steps
from kiln.errors import UsageError
from kiln.ledger.schema import StepEntry

if TYPE_CHECKING:
    from kiln.ledger.schema import Run


class Tried:
    """A run whose step sd was tried several times on one cluster."""

    def __init__(self, *, ledger: bool = True) -> None:
        self.world = World("launch,provision,deploy")
        self.cluster_id = self.world.run().cluster_id or ""
        request = steps.request(self.world.steps[0])
        self.ids = [self.world.aws.add_steps(self.cluster_id, [request])[0] for _ in range(3)]
        self.world.clock.seconds += 3600
        self.run: Run = self.world.remembered()
        for step_id in self.ids:
            entry = StepEntry(name="sd", cluster_id=self.cluster_id, intent_at="", step_id=step_id)
            self.run.steps.append(entry)
        if not ledger:
            self.run.steps.clear()

    def chosen(self, **asked: Any) -> str:
        known = Known(identity=self.world.identity, run=self.run, found=(), ledger_uri="")
        access: Any = None
        _, step = Chosen(self.world.context, access, known).step("sd", failed_first=True, **asked)
        return step.id


@pytest.mark.parametrize("ledger", [True, False])
def test_a_try_is_found_by_its_number(*, ledger: bool) -> None:
    tried = Tried(ledger=ledger)
    assert [tried.chosen(number=number) for number in (1, 2, 3)] == tried.ids


def test_the_ledgers_order_counts() -> None:
    tried = Tried()
    tried.run.steps.reverse()
    assert [tried.chosen(number=number) for number in (1, 2, 3)] == tried.ids[::-1]


def test_without_a_number_it_is_the_last_one_that_failed_or_the_last() -> None:
    tried = Tried()
    assert tried.chosen() == tried.ids[-1]


def test_a_try_that_was_never_made_is_refused_with_how_many_there_are() -> None:
    with pytest.raises(UsageError, match="has 3 tries of step sd, not 4") as refused:
        Tried().chosen(number=4)
    assert refused.value.fix == "--try 1 to --try 3"
