"""Every account's clusters, and the engines that drive them."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.config import ACCOUNT_ID
from emrbox.emr.life import endings
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.layer import NodeLayer
from emrbox.emr.life.model import Cluster, Watcher
from emrbox.emr.life.states import CLUSTER_ENDED

if TYPE_CHECKING:
    from emrbox.emr.hollow.hollow import Hollow
    from emrbox.emr.life.clock import Clock

LayerFactory = Callable[[Cluster], NodeLayer]
ProfileLookup = Callable[..., str]  # (name, account_id=…); the account only if it is not the first
FORGET_AFTER = timedelta(days=60)


class Store:
    """Clusters by id, in the order of their creation.

    `layer_of` makes a cluster's machines; `role_of_profile` returns an instance profile's role or
    raises KeyError when there is no such profile; `hollow` takes the clusters that have no machines;
    `watcher` hears of every state that is entered. As made it shows all accounts' clusters; `for_account`
    returns it as one account sees it.
    """

    def __init__(
        self,
        clock: Clock,
        layer_of: LayerFactory,
        role_of_profile: ProfileLookup,
        hollow: Hollow | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.clock = clock
        self.role_of_profile = role_of_profile
        self._hollow = hollow
        self._layer_of = layer_of
        self._watcher = watcher
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}
        self._engines: dict[str, Engine] = {}
        self._account_id: str | None = None

    def for_account(self, account_id: str) -> Store:
        """Return the same store, as callers of this account see it; what they launch is the account's."""
        view = copy.copy(self)
        view._account_id = account_id  # noqa: SLF001  # its own
        if account_id != ACCOUNT_ID:
            view.role_of_profile = partial(self.role_of_profile, account_id=account_id)
        return view

    def add(self, cluster: Cluster) -> None:
        """Remember a new cluster and set it going."""
        cluster.account_id = self._account_id or ACCOUNT_ID
        cluster.watcher = self._watcher
        with cluster.changed:
            cluster.announce(cluster, None, self.now(cluster))
            for step in cluster.steps:
                cluster.announce(step, None, self.now(cluster))
        if self._hollow is not None and cluster.clock is self._hollow.clock:
            engine: Engine = self._hollow.engine(cluster)
        else:
            engine = Engine(cluster, self._layer_of(cluster), self.clock)
        with self._lock:
            self._clusters[cluster.id] = cluster
            self._engines[cluster.id] = engine
        engine.start()

    def all(self) -> list[Cluster]:
        """Return every cluster that EMR still shows, oldest first."""
        with self._lock:
            clusters = [c for c in self._clusters.values() if self._shows(c)]
        return [c for c in clusters if c.status.state not in CLUSTER_ENDED or self._is_young(c)]

    def forget_account(self, account_id: str, within_seconds: float = 30.0) -> None:
        """End an account's clusters, wait for their nodes to be gone, and forget them."""
        clusters = self.for_account(account_id).all()
        for cluster in clusters:
            with cluster.changed:
                cluster.end(endings.by_user(), self.now(cluster))
        deadline = time.monotonic() + within_seconds
        for cluster in clusters:
            if self._hollow is not None and cluster.clock is self._hollow.clock:
                continue  # nothing is left of it but its record
            with cluster.changed:
                while cluster.status.state not in CLUSTER_ENDED and time.monotonic() < deadline:
                    cluster.changed.wait(1.0)
        with self._lock:
            for cluster in clusters:
                self._clusters.pop(cluster.id, None)
                self._engines.pop(cluster.id, None)

    def _is_young(self, cluster: Cluster) -> bool:
        return cluster.status.created > self.now(cluster) - FORGET_AFTER

    def clock_for(self, tags: dict[str, str]) -> Clock:
        """Return the clock of a cluster that is launched with these tags."""
        if self._hollow is not None and self._hollow.scripts.is_hollow(tags, self._account_id):
            return self._hollow.clock
        return self.clock

    def now(self, cluster: Cluster) -> datetime:
        """Return the time as a cluster sees it."""
        return (cluster.clock or self.clock).now()

    def find(self, cluster_id: str) -> Cluster | None:
        """Return a cluster or None."""
        with self._lock:
            cluster = self._clusters.get(cluster_id)
        return cluster if cluster is not None and self._shows(cluster) else None

    def _shows(self, cluster: Cluster) -> bool:
        return self._account_id is None or cluster.account_id == self._account_id

    def cluster(self, cluster_id: str) -> Cluster:
        """Return a cluster for a cluster-style operation (emr-facts 1.7)."""
        cluster = self.find(cluster_id)
        if cluster is None:
            raise invalid_request(f"Cluster id '{cluster_id[:60]}' is not valid.")
        return cluster

    def job_flow(self, job_flow_id: str) -> Cluster:
        """Return a cluster for a job-flow-style operation (emr-facts 1.7)."""
        cluster = self.find(job_flow_id)
        if cluster is None:
            raise validation_error("Specified job flow ID not valid.")
        return cluster

    def engine(self, cluster: Cluster) -> Engine:
        """Return the engine of a cluster."""
        return self._engines[cluster.id]
