"""Core nodes that YARN has called unhealthy for 45 minutes are replaced, if the cluster wants that.

Management Guide, "Replacing nodes"; SetUnhealthyNodeReplacement in botocore's model: nodes of a cluster with
termination protection stay, and YARN gives them no containers. When all core nodes are to be replaced, the
cluster ends (docs/aws_facts.md 1.2).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life import endings, notices, states

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.notices import Kind
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)
UNHEALTHY_FOR = timedelta(minutes=45)


class Health:
    """The health of one cluster's nodes, in the interval of its machine layer's pace."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[str, datetime] = {}  # by EC2 id
        self._last = context.now
        self._is_sampling = False

    def check(self) -> None:
        """Ask YARN when that is due, and let nodes be replaced whose time is over."""
        context, due = self._context, self._next_sample()
        if due is not None and due <= context.now:
            self._is_sampling, self._last = True, context.now
            context.procedures.begin(self._sample())
        found = context.layer.unhealthy()
        self._report(notices.UNHEALTHY, found - set(self._since), then=self._outlook())
        self._since = {ec2_id: self._since.get(ec2_id, context.now) for ec2_id in sorted(found)}
        self._replace()

    def moments(self) -> list[datetime]:
        """Return when something is due next."""
        now, sample = self._context.now, self._next_sample()
        due = [moment for since in self._since.values() if (moment := since + UNHEALTHY_FOR) > now]
        return due if sample is None else [*due, sample]

    def _next_sample(self) -> datetime | None:
        """Return when YARN is to be asked; None while it need not be."""
        interval = self._context.layer.pace.health
        return None if interval is None or self._is_sampling else self._last + timedelta(seconds=interval)

    def _sample(self) -> Procedure[None]:
        try:
            yield from self._context.do("health", self._context.layer.examine)
        except Exception:
            LOG.exception("the health of %s could not be read", self._context.cluster.id)
        self._is_sampling = False

    def _replace(self) -> None:
        cluster, limit = self._context.cluster, self._context.now - UNHEALTHY_FOR
        if not cluster.unhealthy_node_replacement or cluster.termination_protected:
            return
        for group in cluster.groups:
            if group.role == "CORE" and cluster.status.state in states.CLUSTER_READY:
                present = {instance.ec2_id for instance in group.present}
                due = {ec2_id for ec2_id, since in self._since.items() if since <= limit} & present
                if due and due == present:
                    cluster.end(endings.by_unhealthy_core_nodes(), self._context.now)
                    return
                self._report(notices.REPLACING, due - group.ids_to_replace)
                group.ids_to_replace = due

    def _outlook(self) -> str:
        cluster = self._context.cluster
        if not cluster.unhealthy_node_replacement or cluster.termination_protected:
            return "They will not be replaced."
        return f"They will be replaced if they are unhealthy for {UNHEALTHY_FOR.seconds // 60} minutes."

    def _report(self, kind: Kind, ec2_ids: set[str], **words: str) -> None:
        """Report what is with some nodes, group by group."""
        for group in self._context.cluster.groups:
            found = [i.ec2_id for i in group.present if i.ec2_id in ec2_ids]
            if found and group.role == "CORE":
                self._context.notify(kind, group, instances=", ".join(sorted(found)), **words)
