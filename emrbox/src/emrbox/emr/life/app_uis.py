"""Application UIs: those on clusters, those off clusters that outlive them, and who serves their pages."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from emrbox.emr.life.states import CLUSTER_READY

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.presigned import Presigned
    from emrbox.emr.life.store import Clusters


class UiStatus(StrEnum):
    """The states of a UI off the cluster. STARTING and ATTACHED were seen, FAILED is a guess."""

    STARTING = "STARTING"
    ATTACHED = "ATTACHED"
    FAILED = "FAILED"


@dataclass
class PersistentUi:
    """A Spark history server off the cluster, over the event logs of one cluster."""

    id: str
    cluster_id: str
    account_id: str
    author: str  # an ARN
    tags: dict[str, str]
    created: datetime
    modified: datetime
    status: UiStatus = UiStatus.STARTING
    reason: str | None = None


class UiError(Exception):
    """What serves a UI's pages does not start."""


class ClusterPages(Protocol):
    """The applications that serve pages on clusters' nodes."""

    def has_application(self, cluster: Cluster, application_id: str) -> bool:
        """Whether YARN knows an application."""

    def open_history(self, cluster: Cluster) -> bool:
        """Start the history server on the primary node unless it runs; return whether it answers in time."""


class HistoryPages(Protocol):
    """The history servers off the clusters."""

    def has_application(self, ui: PersistentUi, application_id: str) -> bool:
        """Whether an application has left an event log."""

    def attach(self, ui: PersistentUi, report: Callable[[str | None], None]) -> None:
        """Begin to serve a UI; `report` is called when it answers, or with the reason why it does not."""

    def open(self, ui: PersistentUi) -> None:
        """Return when a UI answers, with what its cluster has written up to now. Raises UiError."""

    def address_of(self, ui_id: str) -> str | None:
        """Return where a UI is served now."""

    def forget(self, ui: PersistentUi) -> None:
        """Serve a UI no more."""

    def forget_account(self, account_id: str) -> None:
        """Remove the event logs of an account's clusters."""


@dataclass
class AppUis:
    """The application UIs of all accounts."""

    on_clusters: ClusterPages
    off_clusters: HistoryPages
    presigned: Presigned
    clock: Clock
    _by_id: dict[str, PersistentUi] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, ui_id: str, account_id: str) -> PersistentUi | None:
        """Return a UI of an account."""
        with self._lock:
            found = self._by_id.get(ui_id)
        return found if found is not None and found.account_id == account_id else None

    def add(self, new: PersistentUi) -> PersistentUi:
        """Keep and begin to serve a new UI, unless its cluster has one that works; return the one it has."""
        with self._lock:
            for ui in self._by_id.values():
                if ui.cluster_id == new.cluster_id and ui.status is not UiStatus.FAILED:
                    return ui
            self._by_id[new.id] = new

        def report(reason: str | None) -> None:
            new.reason, new.modified = reason, self.clock.now()
            new.status = UiStatus.ATTACHED if reason is None else UiStatus.FAILED

        self.off_clusters.attach(new, report)
        return new

    def address_of(self, label: str, clusters: Clusters) -> str | None:
        """Return where a UI is served now, by the first label of its host."""
        if label.startswith("p-"):
            return self.off_clusters.address_of(label)
        cluster = clusters.find(label[:2] + label[2:].upper())
        is_served = cluster is not None and cluster.status.state in CLUSTER_READY and not cluster.is_hollow
        return cluster.primary.private_ip if cluster is not None and is_served else None

    def forget_account(self, account_id: str) -> None:
        """End and forget an account's UIs and event logs."""
        with self._lock:
            ended = [ui for ui in self._by_id.values() if ui.account_id == account_id]
            for ui in ended:
                del self._by_id[ui.id]
        for ui in ended:
            self.off_clusters.forget(ui)
        self.off_clusters.forget_account(account_id)
