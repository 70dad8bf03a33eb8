"""What must hold at every moment of a simulation, read from the history that the AWS in memory keeps.

A step's state follows from its times alone, so the history shows every moment between two calls, too.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakes import BOOT_SECONDS, ENDED, FakeAws, FakeCluster, FakeStep

from kiln import identity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from kiln.settings.model import StepSettings


@dataclass(frozen=True)
class Work:
    """One addition of a step, and from when to when it was active."""

    run: str
    name: str
    cluster: FakeCluster
    step_id: str
    begun: float
    over: float
    is_complete: bool


def work(aws: FakeAws) -> list[Work]:
    """Return all additions of steps to clusters of Kiln, in their order."""
    found = [_work(cluster, step) for cluster in aws.clusters.values() for step in cluster.steps]
    return sorted(found, key=lambda one: one.begun)


def _work(cluster: FakeCluster, step: FakeStep) -> Work:
    stopped = min(_or_never(step.cancelled_at), _end(cluster))
    end = step.created + step.seconds
    is_complete = step.outcome == "COMPLETED" and end <= stopped
    name = cluster.request["Name"]
    return Work(name, step.request.name, cluster, step.id, step.created, min(end, stopped), is_complete)


def _or_never(moment: float | None) -> float:
    return math.inf if moment is None else moment


def _end(cluster: FakeCluster) -> float:
    """Return when a cluster was asked to end, or failed."""
    failed = cluster.created + BOOT_SECONDS if cluster.fails_with else math.inf
    return min(failed, _or_never(cluster.ended_at))


def violations(aws: FakeAws, steps: Sequence[StepSettings]) -> list[str]:
    """Return what a simulation has done that no run may do, a line each.

    Steps of a run were active on two clusters at a time; a step was added while the same one was active, or
    after it was complete, though it is not `repeatable`. A complete step may be added again once its cluster
    has ended, unless it is `durable`: what it left there is lost.
    """
    repeatable = {step.name for step in steps if step.repeatable}
    durable = {step.name for step in steps if step.durable}
    found = []
    done = work(aws)
    for number, first in enumerate(done):
        for second in (one for one in done[number + 1 :] if one.run == first.run):
            pair = f"{first.run}: {first.name} {first.step_id} and {second.name} {second.step_id}"
            if second.begun < first.over and first.cluster.id != second.cluster.id:
                found.append(f"{pair}: active on two clusters")
            elif second.name != first.name or second.name in repeatable:
                continue
            elif second.begun < first.over:
                found.append(f"{pair}: active twice")
            elif first.is_complete and _counts(first, second, durable):
                found.append(f"{pair}: run again after it was complete")
    return found


def _counts(first: Work, second: Work, durable: Collection[str]) -> bool:
    """Return whether what a complete step left is still there when it is added again."""
    return first.name in durable or second.begun < _end(first.cluster)


def launched(aws: FakeAws, run_id: str) -> list[FakeCluster]:
    """Return all clusters of a run of model_building, ended ones too, oldest first."""
    name = f"kiln-local-model_building-{run_id}"
    return [one for one in aws.clusters.values() if one.request["Name"] == name]


def lifetimes_overlap(clusters: Sequence[FakeCluster]) -> bool:
    """Return whether two of these clusters cost money at the same time."""
    in_order = sorted(clusters, key=lambda one: one.created)
    pairs = itertools.pairwise(in_order)
    return any(second.created < _end(first) for first, second in pairs)


class Foreign:
    """Clusters and objects that are nobody's business: of other pipelines and environments, without tags."""

    # The name, and whether tags confirm it.
    NAMES = (
        ("kiln-stage-model_building-r1", True),
        ("kiln-local-other_pipeline-r1", False),
        ("kiln-local-model_buildings-r1", False),
        ("someone's cluster", False),
        ("", False),
    )

    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws
        for name, has_tags in self.NAMES:
            request = _request(name, has_tags=has_tags)
            one = FakeCluster(f"j-F{len(aws.clusters):03}", request, aws.clock.seconds - BOOT_SECONDS)
            one.protected = True
            aws.clusters[one.id] = one
        self._ids = frozenset(aws.clusters)
        self._objects = {
            "s3://state/kiln/ledger/local/other_pipeline/r1.json": b'{"version": 99}',
            "s3://state/kiln/ledger/stage/model_building/r1.json": b"\x00 damaged",
            "s3://state/kiln/locks/stage/model_building.json": b"[]",
        }
        aws.objects |= self._objects

    def touched(self) -> list[str]:
        """Return what somebody has done to them."""
        clusters = [one for one in self._aws.clusters.values() if one.id in self._ids]
        changed = [
            f"cluster {one.id} {one.request['Name']!r} was changed"
            for one in clusters
            if one.ended_at is not None or one.tags or one.steps or one.idle_seconds or not one.protected
        ]
        return changed + [
            f"{key} was changed" for key, body in self._objects.items() if self._aws.objects.get(key) != body
        ]

    def live_others(self) -> Iterator[str]:
        """Return the clusters that cost money and are not these."""
        return (one.id for one in self._aws.clusters.values() if self._is_other_and_live(one))

    def _is_other_and_live(self, one: FakeCluster) -> bool:
        return one.id not in self._ids and self._aws.state(one) not in ENDED


def _request(name: str, *, has_tags: bool) -> dict[str, object]:
    named = identity.of_name(name) if has_tags else None
    tags = (
        {"managed_by": "kiln", "environment": named.environment, "pipeline": named.pipeline} if named else {}
    )
    return {
        "Name": name,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "Instances": {"TerminationProtected": False, "InstanceGroups": []},
    }
