"""Every account's clusters, and the engines that drive them."""

from __future__ import annotations

import copy
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.config import ACCOUNT_ID, REGION
from emrbox.emr.life import endings
from emrbox.emr.life.drivers import Driver
from emrbox.emr.life.model import Cluster, Watcher
from emrbox.emr.life.security import SecuritySettings
from emrbox.emr.life.states import CLUSTER_ENDED

if TYPE_CHECKING:
    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.engine import Engine

DriverFactory = Callable[[Cluster], Driver]
ProfileLookup = Callable[..., str]  # (name, account_id=…); the account only if it is not the first
FORGET_AFTER = timedelta(days=60)


class HollowClusters(Protocol):
    """The clusters without machines."""

    @property
    def clock(self) -> Clock:
        """Their clock."""

    def takes(self, tags: dict[str, str], account_id: str | None) -> bool:
        """Whether a launch with these tags is one of them."""

    def driver_of(self, cluster: Cluster) -> Driver:
        """Return what drives a new one."""


class Clusters(ABC):
    """The clusters as a caller's reads see them."""

    @abstractmethod
    def all(self) -> list[Cluster]:
        """Return every cluster that EMR still shows, oldest first."""

    @abstractmethod
    def find(self, cluster_id: str) -> Cluster | None:
        """Return a cluster or None."""

    @abstractmethod
    def now(self, cluster: Cluster) -> datetime:
        """Return the time as a cluster sees it."""

    def cluster(self, cluster_id: str) -> Cluster:
        """Return a cluster for a cluster-style operation (docs/aws_facts.md 1.7)."""
        cluster = self.find(cluster_id)
        if cluster is None:
            text = f"Cluster id '{cluster_id[:60]}' is not valid."
            raise invalid_request(text, ErrorCode="NoSuchCluster")
        return cluster

    def job_flow(self, job_flow_id: str) -> Cluster:
        """Return a cluster for a job-flow-style operation (docs/aws_facts.md 1.7)."""
        cluster = self.find(job_flow_id)
        if cluster is None:
            raise validation_error("Specified job flow ID not valid.")
        return cluster


class Store(Clusters):
    """Clusters by id, in the order of their creation.

    `driver_of` returns what drives a cluster on real machines; `role_of_profile` returns the role of an
    instance profile or raises KeyError if there is none; `hollow` takes the clusters that have no machines;
    `watcher` is called for every state that is entered. A new store shows all accounts' clusters;
    `for_account` returns it as one account sees it.
    """

    def __init__(
        self,
        clock: Clock,
        driver_of: DriverFactory,
        role_of_profile: ProfileLookup,
        hollow: HollowClusters | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.clock = clock
        self.role_of_profile = role_of_profile
        self._hollow = hollow
        self._driver_of = driver_of
        self._watcher = watcher
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}
        self._drivers: dict[str, Driver] = {}
        self._security: dict[tuple[str, str], SecuritySettings] = {}  # by account and region
        self._account_id: str | None = None
        self._region = REGION

    def for_account(self, account_id: str, region: str = REGION) -> Store:
        """Return the same store, as callers of this account see it; what they launch is the account's.

        All clusters are in one region: in the others there is none to see.
        """
        view = copy.copy(self)
        view._account_id = account_id  # noqa: SLF001  # its own
        view._region = region  # noqa: SLF001  # its own
        if account_id != ACCOUNT_ID:
            view.role_of_profile = partial(self.role_of_profile, account_id=account_id)
        return view

    @property
    def account_id(self) -> str:
        """The account whose clusters it shows; the first one's where it shows those of all."""
        return self._account_id or ACCOUNT_ID

    @property
    def security(self) -> SecuritySettings:
        """The security settings of the account, in the region of its calls."""
        with self._lock:
            key = (self.account_id, self._region)
            return self._security.setdefault(key, SecuritySettings(self.clock.now()))

    def add(self, cluster: Cluster) -> None:
        """Record a new cluster and start its driver."""
        cluster.account_id = self.account_id
        cluster.watcher = self._watcher
        with cluster.lock:
            cluster.announce(cluster, None, self.now(cluster))
            for step in cluster.steps:
                cluster.announce(step, None, self.now(cluster))
            for group in cluster.groups:
                if group.auto_scaling:
                    cluster.announce(group.auto_scaling, None, self.now(cluster))
        if self._hollow is not None and cluster.is_hollow:
            driver: Driver = self._hollow.driver_of(cluster)
        else:
            driver = self._driver_of(cluster)
        cluster.wake = driver.wake
        with self._lock:
            self._clusters[cluster.id] = cluster
            self._drivers[cluster.id] = driver
        driver.start()

    def all(self) -> list[Cluster]:
        """Return every cluster that EMR still shows, oldest first."""
        with self._lock:
            clusters = [c for c in self._clusters.values() if self._shows(c)]
        return [c for c in clusters if self._is_kept(c)]

    def forget_account(self, account_id: str, within_seconds: float = 30.0) -> None:
        """End an account's clusters, wait for their nodes to be gone, and forget them."""
        clusters = self.for_account(account_id).all()
        for cluster in clusters:
            with cluster.lock:
                cluster.end(endings.by_user(), self.now(cluster))
            cluster.wake()
        with self._lock:
            drivers = [self._drivers[c.id] for c in clusters if c.id in self._drivers]
        deadline = time.monotonic() + within_seconds
        for driver in drivers:
            driver.wait_over(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for cluster in clusters:
                self._clusters.pop(cluster.id, None)
                self._drivers.pop(cluster.id, None)
            for key in [key for key in self._security if key[0] == account_id]:
                del self._security[key]

    def _is_kept(self, cluster: Cluster) -> bool:
        """Whether EMR still knows a cluster: it forgets ended ones (docs/aws_facts.md 1.8)."""
        is_young = cluster.status.created > self.now(cluster) - FORGET_AFTER
        return is_young or cluster.status.state not in CLUSTER_ENDED

    def is_hollow(self, tags: dict[str, str]) -> bool:
        """Whether a cluster that is launched with these tags has no machines."""
        return self._hollow is not None and self._hollow.takes(tags, self._account_id)

    def clock_of(self, *, is_hollow: bool) -> Clock:
        """Return the clock of a new cluster."""
        return self._hollow.clock if self._hollow is not None and is_hollow else self.clock

    def now(self, cluster: Cluster) -> datetime:
        """Return the time as a cluster sees it."""
        return (cluster.clock or self.clock).now()

    def find(self, cluster_id: str) -> Cluster | None:
        """Return a cluster or None."""
        with self._lock:
            cluster = self._clusters.get(cluster_id)
        is_shown = cluster is not None and self._shows(cluster) and self._is_kept(cluster)
        return cluster if is_shown else None

    def _shows(self, cluster: Cluster) -> bool:
        return self._region == REGION and self._account_id in {None, cluster.account_id}

    def engine(self, cluster: Cluster) -> Engine:
        """Return the engine of a cluster."""
        return self._drivers[cluster.id].engine
