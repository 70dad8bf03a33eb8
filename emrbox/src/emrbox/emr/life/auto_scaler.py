"""Custom automatic scaling of one cluster: what auto_scaling.py decides is what groups want."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life import auto_scaling, decisions
from emrbox.emr.life.model import Reason
from emrbox.emr.life.resizing import AUTOMATIC_SCALING, want
from emrbox.emr.life.states import PolicyState, ReasonCode

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import AutoScaling, Group
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)


class AutoScaler:
    """Custom automatic scaling: a policy for each group, whose alarms look at a sample every five minutes.

    `busy` has the ids of the groups that are being resized.
    """

    def __init__(self, context: Context, busy: set[str]) -> None:
        self._context = context
        self._cluster = context.cluster
        self._busy = busy
        self._next: datetime | None = None  # when the next sample is due
        self._samples: list[Load] = []
        self._activities: dict[str, int] = {}  # group -> seconds of rest after the resize that is under way
        self._rests_until: dict[str, datetime] = {}

    def follow_up(self) -> None:
        """Attach and detach policies, and take note of scaling activities that are over."""
        for group in self._cluster.groups:
            self._follow(group)
            is_changing = group.id in self._busy or decisions.wants_resize(group)
            if group.id in self._activities and not is_changing:
                rest = timedelta(seconds=self._activities.pop(group.id))
                self._rests_until[group.id] = self._context.now + rest
        if not self._attached():
            self._next, self._samples = None, []
        elif self._next is None:
            self._next = self._context.now + timedelta(seconds=auto_scaling.SAMPLE_SECONDS)

    def is_due(self) -> bool:
        """Whether the load is to be read now."""
        return self._next is not None and self._context.now >= self._next

    def moments(self) -> list[datetime]:
        """Return when the load is to be read next."""
        return [] if self._next is None else [self._next]

    def act(self, load: Load | None) -> None:
        """Take a sample; let groups want what their rules ask for."""
        self._next = self._context.now + timedelta(seconds=auto_scaling.SAMPLE_SECONDS)
        if load is None:  # no data: no alarm looks further back than this
            self._samples = []
            return
        attached = self._attached()
        longest = max(
            (auto_scaling.samples_for(r) for _, p in attached for r in p.policy["Rules"]), default=1
        )
        self._samples = [*self._samples, load][-longest:]
        for group, scaling in attached:
            self._scale(group, scaling)

    def _attached(self) -> list[tuple[Group, AutoScaling]]:
        return [
            (group, group.auto_scaling)
            for group in self._cluster.groups
            if group.auto_scaling and group.auto_scaling.status.state is PolicyState.ATTACHED
        ]

    def _follow(self, group: Group) -> None:
        scaling = group.auto_scaling
        if scaling is None:
            return
        if scaling.status.state is PolicyState.PENDING:
            self._context.move(scaling, PolicyState.ATTACHING)
            self._context.procedures.begin(self._attach(scaling))
        elif scaling.status.state is PolicyState.DETACHING:
            self._context.move(scaling, PolicyState.DETACHED, scaling.status.reason)

    def _attach(self, scaling: AutoScaling) -> Procedure[None]:
        role = self._cluster.request.get("AutoScalingRole", "")
        try:
            refusal = yield from self._context.do(
                "attachment", partial(self._context.layer.refusal_of_scaling_role, role)
            )
        except Exception as problem:
            LOG.exception("the scaling role of %s could not be checked", self._cluster.id)
            refusal = f"{type(problem).__name__}: {problem}"[:500]
        if scaling.status.state is not PolicyState.ATTACHING:
            return  # it was removed meanwhile
        if refusal is None:
            self._context.move(scaling, PolicyState.ATTACHED)
        else:
            # Seen in cloudposse/terraform-aws-emr-cluster pull request 11.
            message = f"Failed to provision the AutoScaling policy: {refusal}"
            self._context.move(scaling, PolicyState.FAILED, Reason(ReasonCode.PROVISION_FAILURE, message))

    def _scale(self, group: Group, scaling: AutoScaling) -> None:
        now = self._context.now
        if group.id in self._activities or self._rests_until.get(group.id, now) > now:
            return
        found = auto_scaling.wished(scaling.policy, group.requested_count, self._samples)
        if found is None:
            return
        size, rule = found
        size = max(size, min(decisions.least_units(self._cluster, group), group.requested_count))
        if size != group.requested_count:
            self._activities[group.id] = auto_scaling.cool_down(rule)
            want(self._cluster, group, {group.market: size}, now, by=AUTOMATIC_SCALING)
