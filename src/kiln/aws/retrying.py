"""Effects that ask again when AWS gave no answer: for every call that may be repeated without harm."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from kiln.aws.effects import MOST_BYTES, MOST_OBJECTS
from kiln.errors import ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from kiln.aws import effects
    from kiln.clock import Clock

T = TypeVar("T")

TRIES = 5
_FIRST_PAUSE_SECONDS = 0.5


class Patient:
    """`kiln.effects.Effects` around another one.

    RunJobFlow, AddJobFlowSteps and conditional writes pass through as they are: whether they may be repeated
    is decided where the tags and the ledger are known.
    """

    def __init__(self, inner: effects.Effects, clock: Clock, chance: random.Random | None = None) -> None:
        self._inner = inner
        self._clock = clock
        self._random = chance or random.Random()  # noqa: S311  # jitter is no secret
        # Never set: a signal is noticed between calls, not inside one.
        self._quiet = threading.Event()

    def _ask(self, call: Callable[[], T]) -> T:
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(TRIES - 1):
            try:
                return call()
            except (ThrottledError, UnansweredError):
                self._clock.wait(pause * self._random.uniform(0.8, 1.2), self._quiet)
                pause *= 2
        return call()

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        """Launch; once."""
        return self._inner.run_job_flow(request)

    def add_steps(self, cluster_id: str, steps: Sequence[effects.StepRequest]) -> list[str]:
        """Add steps; once."""
        return self._inner.add_steps(cluster_id, steps)

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        """Write; once."""
        return self._inner.put_object(uri, body, replaces=replaces)

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        """Ask again if need be."""
        return self._ask(lambda: self._inner.describe_cluster(cluster_id))

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[effects.ClusterSummary]:
        """Ask again if need be."""
        wanted = tuple(states)
        return self._ask(lambda: self._inner.list_clusters(wanted, created_after))

    def list_instances(self, cluster_id: str) -> list[effects.Instance]:
        """Ask again if need be."""
        return self._ask(lambda: self._inner.list_instances(cluster_id))

    def list_steps(self, cluster_id: str, step_ids: Sequence[str] = ()) -> list[effects.Step]:
        """Ask again if need be."""
        return self._ask(lambda: self._inner.list_steps(cluster_id, step_ids))

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str]) -> None:
        """Idempotent by EMR's word."""
        self._ask(lambda: self._inner.cancel_steps(cluster_id, step_ids))

    def terminate_cluster(self, cluster_id: str) -> None:
        """Harmless on a cluster that is ending or has ended."""
        self._ask(lambda: self._inner.terminate_cluster(cluster_id))

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        """Set it again if need be: twice is the same as once."""
        self._ask(lambda: self._inner.set_termination_protection(cluster_id, protected=protected))

    def get_object(
        self, uri: str, *, most_bytes: int = MOST_BYTES, from_end: bool = False
    ) -> effects.StoredObject | None:
        """Ask again if need be."""
        return self._ask(lambda: self._inner.get_object(uri, most_bytes=most_bytes, from_end=from_end))

    def list_objects(self, uri: str, *, most: int = MOST_OBJECTS) -> list[effects.ObjectSummary]:
        """Ask again if need be."""
        return self._ask(lambda: self._inner.list_objects(uri, most=most))

    def caller_identity(self) -> str:
        """Not asked again: the preflight says at once that nobody answers."""
        return self._inner.caller_identity()
