"""Groups whose configurations change while their cluster runs.

A group is RECONFIGURING until its nodes have them; when that fails it goes back to those that it had (EMR
Release Guide, "Reconfigure an instance group in a running cluster").
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from emrbox.emr.life import notices
from emrbox.emr.life.event_times import minutes
from emrbox.emr.life.layer import InterruptedByEndError
from emrbox.emr.life.model import Reason
from emrbox.emr.life.states import GroupState, ReasonCode

if TYPE_CHECKING:
    from emrbox.emr.life.context import Context
    from emrbox.emr.life.model import Group
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)


class Reconfiguring:
    """The reconfigurations of one cluster. `busy` has the ids of the groups that change in any way."""

    def __init__(self, context: Context, busy: set[str]) -> None:
        self._context = context
        self._busy = busy

    def start_due(self) -> None:
        """Begin every reconfiguration that was asked for; a group that is being resized comes after that."""
        for group in self._context.cluster.groups:
            is_due = group.reconfiguration.version > group.reconfiguration.tried
            if is_due and group.status.state is GroupState.RUNNING and group.id not in self._busy:
                self._busy.add(group.id)
                group.reconfiguration.started = self._context.now
                self._context.move(group, GroupState.RECONFIGURING)
                self._context.procedures.begin(self._run(group))

    def _run(self, group: Group) -> Procedure[None]:
        change = group.reconfiguration
        version, configurations = change.version, group.type.configurations
        change.tried = version
        try:
            yield from self._apply(group)
            change.applied_version, change.applied = version, configurations
            self._finish(group, GroupState.RUNNING, None)
        except InterruptedByEndError:
            pass
        except Exception as problem:
            LOG.exception("group %s of %s could not be reconfigured", group.id, self._context.cluster.id)
            yield from self._revert(group, version, f"{type(problem).__name__}: {problem}"[:500])
        self._busy.discard(group.id)

    def _revert(self, group: Group, version: int, why: str) -> Procedure[None]:
        """Go back to what the nodes had. That a group whose nodes refuse that too is SUSPENDED is a guess."""
        reason, change = Reason(ReasonCode.INTERNAL_ERROR, why), group.reconfiguration
        if self._context.is_live:
            took = minutes(change.started or self._context.now, self._context.now)
            self._context.notify(notices.CHANGE_FAILED, group, minutes=took, version=version, why=why)
            self._context.notify(notices.CHANGE_REVERTING, group, last=change.applied_version)
        if group.reconfiguration.version == version:  # nothing else is asked for meanwhile
            configure(group, group.reconfiguration.applied or [])
        try:
            yield from self._apply(group)
            self._finish(group, GroupState.RUNNING, reason)
        except InterruptedByEndError:
            pass
        except Exception:
            LOG.exception("group %s of %s was not brought back", group.id, self._context.cluster.id)
            self._finish(group, GroupState.SUSPENDED, reason)

    def _apply(self, group: Group) -> Procedure[None]:
        self._context.check()
        for instance in group.present:
            instance.type = group.type
        yield from self._context.do("reconfigure", partial(self._context.layer.reconfigure, group))
        self._context.check()

    def _finish(self, group: Group, state: GroupState, reason: Reason | None) -> None:
        if self._context.is_live:
            self._context.move(group, state, reason)


def configure(group: Group, configurations: list[dict[str, Any]]) -> None:
    """Let the group's nodes, and those that join later, have these configurations."""
    group.types = [replace(group.type, configurations=configurations)]


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return configurations with the properties of both; those of `new` win. Nested ones are merged alike."""
    by_name = {one["Classification"]: one for one in old}
    for one in new:
        before = by_name.get(one["Classification"], {})
        found = {**before, **one, "Properties": {**before.get("Properties", {}), **one.get("Properties", {})}}
        if nested := merged(before.get("Configurations", []), one.get("Configurations", [])):
            found["Configurations"] = nested
        by_name[one["Classification"]] = found
    return list(by_name.values())
