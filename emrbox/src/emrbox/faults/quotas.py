"""What the clusters of an account may be together: a table whose rows are faults of the kind `quota`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.aws.errors import AwsError, validation_error
from emrbox.emr import instance_types
from emrbox.emr.life.model import SPOT
from emrbox.emr.life.states import CLUSTER_LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrbox.emr.life.model import Cluster, Purchase, TypeConfig
    from emrbox.faults.book import Fault, FaultBook


def _no_clusters() -> list[Cluster]:
    return []


class Quotas:
    """The quotas of the box's accounts. `clusters` returns those of all accounts.

    Instances of clusters count; others of the account, which EC2 would count too, do not.
    """

    def __init__(self, book: FaultBook, clusters: Callable[[], Sequence[Cluster]] = _no_clusters) -> None:
        self._book = book
        self.clusters = clusters

    def refusal_of_launch(self, account_id: str, name: str) -> AwsError | None:
        """Return why an account may not launch one more cluster, with this name; None if it may.

        The words are a guess: only the quota is documented.
        """
        live = sum(cluster.status.state in CLUSTER_LIVE for cluster in self._of(account_id))
        for fault, most in self._rows("clusters", name):
            if live >= most and self._book.spend(fault):
                return validation_error(f"The number of active clusters exceeds the limit of {most:.0f}.")
        return None

    def instances_left(self, cluster: Cluster, purchase: Purchase) -> float:
        """Return how many of the instances of a purchase the account may still have."""
        present = [instance for one in self._of(cluster.account_id) for instance in one.present]
        vcpus = sum(_vcpus(instance.type) for instance in present if instance.market == purchase.market)
        counted = {
            "instances": (len(present), 1),
            "vcpus_spot" if purchase.market == SPOT else "vcpus_on_demand": (vcpus, _vcpus(purchase.type)),
        }
        found = float(purchase.count)
        for name, (used, for_each) in counted.items():
            for fault, most in self._rows(name, cluster.id, cluster.name):
                left = max(0, (most - used) // for_each)
                if left < found and self._book.spend(fault):
                    found = left
        return found

    def _rows(self, name: str, *clusters: str) -> list[tuple[Fault, float]]:
        rows = [(one, one.parameters[name]) for one in self._book.of("quota") if one.covers(clusters)]
        return [(fault, most) for fault, most in rows if most is not None]

    def _of(self, account_id: str) -> list[Cluster]:
        return [cluster for cluster in self.clusters() if cluster.account_id == account_id]


def _vcpus(of: TypeConfig) -> int:
    return instance_types.by_name()[of.name].vcpu
