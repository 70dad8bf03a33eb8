"""A launch is shown once an interval, less often while AWS does not answer, and as before afterwards."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from fakes import shape

from kiln.emr import launch
from kiln.emr.launch_watcher import LaunchWatcher

if TYPE_CHECKING:
    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger


def test_the_interval_is_short_again_when_aws_answers(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    launch.launch(context, identity, shape(), ledger)
    polls: list[float] = []

    def before(call: int) -> None:
        if aws.calls[call] == "DescribeCluster":
            polls.append(clock.seconds)
            if clock.seconds < 500:
                aws.faults[call] = "throttled"

    aws.before_call = before
    watcher = LaunchWatcher(context, ledger, 5)
    for clock.seconds in range(800):
        watcher()
    pauses = [after - before for before, after in pairwise(polls)]
    assert max(pauses) == 40
    assert pauses[-1] == 5
