"""Reads that lag behind writes: for a time, EMR's reads show a cluster as before its last change."""

from __future__ import annotations

import copy
import threading
from collections import deque
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from emrbox.emr.ids import named_clusters
from emrbox.emr.life.store import Store
from emrbox.faults.kind import EMR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster
    from emrbox.faults.book import Fault, FaultBook

Document = dict[str, Any]
READS = ("Describe", "List", "Get")
REMEMBERED = 100


class LaggingReads:
    """Remembers clusters before each write while a `lag` fault is on."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._lock = threading.Lock()
        self._past: dict[str, deque[tuple[datetime, Cluster | None]]] = {}

    def call(
        self,
        function: Callable[[Store, Document], Document],
        operation: str,
        store: Store,
        request: Document,
    ) -> Document:
        """Do an operation, a read perhaps on what was."""
        faults = [f for f in self._book.of("lag") if fnmatchcase(EMR, f.service)]
        if not faults:
            return function(store, request)
        if operation.startswith(READS):
            fault = self._fault_of(faults, operation, request, store)
            return function(_Past(store, fault, self._as_of) if fault else store, request)
        before: dict[str, Cluster | None] = {}
        for name in named_clusters(request):
            if (cluster := store.find(name)) is not None:
                before[name] = _copy(cluster)
        answer = function(store, request)
        if new := answer.get("JobFlowId"):
            before.setdefault(new, None)
        for name, was in before.items():
            self._remember(name, was, store)
        return answer

    def _fault_of(self, faults: list[Fault], operation: str, request: Document, store: Store) -> Fault | None:
        named = [n for i in named_clusters(request) for n in (i, getattr(store.find(i), "name", ""))]
        for fault in faults:
            if fnmatchcase(operation, fault.operation) and (not named or fault.covers(named)):
                return fault if self._book.spend(fault) else None
        return None

    def _remember(self, name: str, was: Cluster | None, store: Store) -> None:
        cluster = store.find(name)
        if cluster is not None:
            with self._lock:
                self._past.setdefault(name, deque(maxlen=REMEMBERED)).append((store.now(cluster), was))

    def _as_of(self, cluster: Cluster, moment: datetime) -> Cluster | None:
        """Return a cluster as it was before the first write after `moment`."""
        with self._lock:
            past = list(self._past.get(cluster.id, ()))
        return next((was for written, was in past if written > moment), cluster)


class _Past(Store):
    """The clusters as a lagging read sees them."""

    def __init__(
        self, store: Store, fault: Fault, as_of: Callable[[Cluster, datetime], Cluster | None]
    ) -> None:
        self.clock = store.clock
        self.role_of_profile = store.role_of_profile
        self._present = store
        self._fault = fault
        self._as_of = as_of

    def all(self) -> list[Cluster]:
        return [seen for cluster in self._present.all() if (seen := self._seen(cluster)) is not None]

    def find(self, cluster_id: str) -> Cluster | None:
        cluster = self._present.find(cluster_id)
        return None if cluster is None else self._seen(cluster)

    def _seen(self, cluster: Cluster) -> Cluster | None:
        if not self._fault.covers((cluster.id, cluster.name)):
            return cluster
        lag = timedelta(seconds=self._fault.parameters["seconds"])
        return self._as_of(cluster, self.now(cluster) - lag)


def _copy(cluster: Cluster) -> Cluster:
    with cluster.changed:
        keep = (cluster.watcher, cluster.clock)
        memo: dict[int, Any] = {id(part): part for part in keep}
        memo[id(cluster.changed)] = threading.Condition()
        return copy.deepcopy(cluster, memo)
