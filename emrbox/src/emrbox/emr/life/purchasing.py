"""Instances that groups lack are bought from EC2."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life.model import Purchase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.model import Group, Instance
    from emrbox.emr.life.procedures import Procedure


class Purchasing:
    """The purchases of one cluster."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster

    def place(self) -> Procedure[None]:
        """Choose where the cluster is launched."""
        places = yield from self._context.do("places", self._context.layer.places)
        self._cluster.subnet_id, self._cluster.availability_zone = places[0].subnet_id, places[0].zone

    def fill(self, groups: Iterable[Group]) -> Procedure[None]:
        """Get all that the groups of a new cluster want. Raises StartFailureError."""
        for group in groups:
            yield from self.buy(group)
            self._context.check()

    def buy(self, group: Group) -> Procedure[list[Instance]]:
        """Get what a group lacks. Returns the new instances; raises StartFailureError."""
        purchase = Purchase(group.type, group.market, group.requested_count - len(group.present))
        call = partial(self._context.layer.launch, group, purchase)
        bought: list[Instance] = yield from self._context.do("launch", call)
        group.instances.extend(bought)
        return bought
