"""Scaling policies of one cluster: while there are any, YARN's load is sampled for them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from emrbox.emr.life import states
from emrbox.emr.life.auto_scaler import AutoScaler
from emrbox.emr.life.managed_scaler import ManagedScaler

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)


class Scaling:
    """The scaling of one cluster. `busy` has the ids of the groups that are being resized."""

    def __init__(self, context: Context, busy: set[str]) -> None:
        self._context = context
        self._managed = ManagedScaler(context)
        self._automatic = AutoScaler(context, busy)
        self._is_sampling = False

    def run(self) -> None:
        """Do what is due."""
        self._automatic.follow_up()
        due = [part for part in (self._managed, self._automatic) if part.is_due()]
        if due and not self._is_sampling:
            self._is_sampling = True
            self._context.procedures.begin(self._sample(due))

    def moments(self) -> list[datetime]:
        """Return when something is due next."""
        if self._is_sampling:
            return []
        return [*self._managed.moments(), *self._automatic.moments()]

    def _sample(self, due: list[ManagedScaler | AutoScaler]) -> Procedure[None]:
        context = self._context
        try:
            load = yield from context.do("load", context.layer.load)
        except Exception:
            LOG.exception("the load of %s could not be read", context.cluster.id)
            load = None
        self._is_sampling = False
        is_ready = context.cluster.status.state in states.CLUSTER_READY
        for part in due:
            part.act(load if is_ready else None)
