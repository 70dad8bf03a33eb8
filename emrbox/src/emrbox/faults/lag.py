"""Reads that lag behind writes: for a time, EMR's reads show a cluster as before its last change."""

from __future__ import annotations

import threading
from collections import deque
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emrbox.emr.life.store import Clusters
from emrbox.faults.kinds.kind import EMR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.store import Store
    from emrbox.faults.book import Fault, FaultBook

REMEMBERED = 100


class LaggingView:
    """Remembers clusters before each write while a `lag` fault is on, and shows them to reads."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._lock = threading.Lock()
        self._past: dict[str, deque[tuple[datetime, Cluster | None]]] = {}

    def clusters(self, store: Store, operation: str, named: Sequence[str]) -> Clusters:
        """Return the clusters as they were, if a fault acts on this read."""
        names = [*named, *(c.name for i in named if (c := store.find(i)) is not None)]
        for fault in self._faults():
            if fnmatchcase(operation, fault.operation) and (not names or fault.covers(names)):
                return PastClusters(store, fault, self._as_of) if self._book.spend(fault) else store
        return store

    def writing(self, store: Store, named: Sequence[str]) -> None:
        """Remember the clusters as they are."""
        if self._faults():
            for name in named:
                if (cluster := store.find(name)) is not None:
                    self._remember(store, cluster, cluster.snapshot())

    def launched(self, store: Store, cluster_id: str) -> None:
        """Remember that the cluster was not there."""
        if self._faults() and (cluster := store.find(cluster_id)) is not None:
            self._remember(store, cluster, None)

    def _faults(self) -> list[Fault]:
        return [fault for fault in self._book.of("lag") if fnmatchcase(EMR, fault.service)]

    def _remember(self, store: Store, cluster: Cluster, was: Cluster | None) -> None:
        with self._lock:
            self._past.setdefault(cluster.id, deque(maxlen=REMEMBERED)).append((store.now(cluster), was))

    def _as_of(self, cluster: Cluster, moment: datetime) -> Cluster | None:
        """Return a cluster as it was before the first write after `moment`."""
        with self._lock:
            past = list(self._past.get(cluster.id, ()))
        return next((was for written, was in past if written > moment), cluster)


class PastClusters(Clusters):
    """The clusters as a lagging read sees them."""

    def __init__(
        self, present: Clusters, fault: Fault, as_of: Callable[[Cluster, datetime], Cluster | None]
    ) -> None:
        self._present = present
        self._fault = fault
        self._as_of = as_of

    def all(self) -> list[Cluster]:
        """Return every cluster that was there."""
        return [seen for cluster in self._present.all() if (seen := self._seen(cluster)) is not None]

    def find(self, cluster_id: str) -> Cluster | None:
        """Return a cluster that was there, or None."""
        cluster = self._present.find(cluster_id)
        return None if cluster is None else self._seen(cluster)

    def now(self, cluster: Cluster) -> datetime:
        """Return the present time as a cluster sees it."""
        return self._present.now(cluster)

    def _seen(self, cluster: Cluster) -> Cluster | None:
        if not self._fault.covers((cluster.id, cluster.name)):
            return cluster
        lag = timedelta(seconds=self._fault.parameters["seconds"])
        return self._as_of(cluster, self.now(cluster) - lag)
