"""What happens to instance groups and fleets that is no new state, and the events that report it.

The names of kinds are those of the EventBridge reference, "Amazon EMR events"; the guide is the Management
Guide, "Monitoring Amazon EMR events with CloudWatch", "Responding to CloudWatch events from Amazon EMR" and
"Replacing unhealthy nodes". That Status Notification is the kind of what is no new state is a guess, as is
what a row calls one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrbox.emr.life.model import Cluster, Group

GROUP, FLEET = "Instance Group", "Instance Fleet"
# Kinds of events that EMR has (EventBridge reference) and emrbox does not send.
NOT_SENT = (
    "EMR Configuration Error",
    "EMR Application Health State Change",
    "EMR Managed Scaling Action",
    "EMR Instance Fleet Cluster Start",
    "EMR Instance Group Cluster Start",
    "EMR Instance Fleet Termination",
    "EMR Instance Group Termination",
    "EMR Instance Fleet Update",
)


@dataclass(frozen=True)
class Kind:
    """One row: the event's kind, where `{}` is what it is about, its severity, words and code."""

    detail_type: str
    severity: str
    text: str
    when: str
    source: str
    code: str = ""


RESIZE_ASKED = Kind(
    "EMR {} Status Notification",
    "INFO",
    "A resize for {where} was initiated by {by} at {now}.",
    "another size is asked for, by a user or by scaling",
    "the guide; the words for who it was are a guess",
)
RESIZE_STUCK = Kind(
    "EMR {} Status Notification",
    "WARNING",
    "The resizing operation for {where} is stuck for the following reason: {why}.",
    "a fleet's resize waits for capacity",
    "the guide; the reason's words are a guess",
)
RESIZE_BLOCKED = Kind(
    "EMR {} Status Notification",
    "INFO",
    "Resizing operation towards instance count {count} for {the_where} is temporarily blocked at {now} "
    "because the instance group is in {state}.",
    "another size is asked for while the group is reconfigured",
    "the guide",
)
CHANGE_ASKED = Kind(
    "EMR {} Status Notification",
    "INFO",
    "A reconfiguration for {the_where} was initiated by user at {now}. Version of requested configuration is "
    "{version}.",
    "other configurations are asked for",
    "the guide",
)
CHANGE_BLOCKED = Kind(
    "EMR {} Status Notification",
    "INFO",
    "Reconfiguring operation towards configuration version {version} for {the_where} is temporarily blocked "
    "at {now} because instance group is in {state}.",
    "other configurations are asked for while the group is resized",
    "the guide",
)
CHANGE_FAILED = Kind(
    "EMR {} Status Notification",
    "WARNING",
    "The reconfiguration operation for {the_where} failed at {now} and took {minutes} minutes to fail. "
    "Failed configuration version is {version}. Failure message: {why}",
    "a reconfiguration has failed",
    "the guide; Release Guide, Troubleshoot instance group reconfiguration",
)
CHANGE_REVERTING = Kind(
    "EMR {} Status Notification",
    "INFO",
    "Configurations are reverting to the previous successful version number {last} for {the_where} at {now}. "
    "New configuration version is {last}.",
    "a group goes back to the configurations that worked",
    "the guide",
)
INSUFFICIENT = "EC2 provisioning - Insufficient Instance Capacity"
DOCUMENTED = "For more information on how to respond to this event, see the documentation."
SHORT_AT_START = Kind(
    "EMR {} Provisioning",
    "WARN",
    "We are not able to create your Amazon EMR cluster {cluster} for {what} {id}. Amazon EC2 has {short} in "
    f"Availability Zone [{{zone}}]. {DOCUMENTED}",
    "each try of a start that finds too little capacity",
    "the guide; the message's end is a guess",
    INSUFFICIENT,
)
SHORT_AT_RESIZE = Kind(
    "EMR {} Resize",
    "WARN",
    "We are not able to complete the resize operation of your Amazon EMR cluster {cluster} for {what} {id}. "
    f"Amazon EC2 has {{short}} in Availability Zone [{{zone}}]. {DOCUMENTED}",
    "each try of a resize that finds too little capacity",
    "the guide; the message and the kind are a guess",
    INSUFFICIENT,
)
TIMED_OUT = (
    "The {market} provisioning timeout for the resize of {where} was reached at {now}, and Amazon EMR has "
    "stopped provisioning {market} capacity."
)
SPOT_TIMED_OUT = Kind(
    "EMR {} Resize",
    "WARN",
    TIMED_OUT,
    "a fleet's resize has reached its time-out for spot instances",
    "the guide; message and severity are a guess",
    "Spot Provisioning timeout",
)
ON_DEMAND_TIMED_OUT = Kind(
    "EMR {} Resize",
    "WARN",
    TIMED_OUT,
    "the same for on-demand instances",
    "the guide; message, severity and code are a guess",
    "On-Demand Provisioning timeout",
)
UNHEALTHY = Kind(
    "EMR Unhealthy Node Replacement",
    "WARN",
    "Amazon EMR has found at {now} that core instances [{instances}] of {where} are unhealthy. {then}",
    "YARN calls core nodes unhealthy",
    "the guide names such events; message and severity are a guess",
)
REPLACING = Kind(
    "EMR Unhealthy Node Replacement",
    "INFO",
    "Amazon EMR began at {now} to replace the unhealthy core instances [{instances}] of {where}.",
    "they have been unhealthy for 45 minutes",
    "the guide names such events; message and severity are a guess",
)
KINDS = (
    RESIZE_ASKED,
    RESIZE_STUCK,
    RESIZE_BLOCKED,
    CHANGE_ASKED,
    CHANGE_BLOCKED,
    CHANGE_FAILED,
    CHANGE_REVERTING,
    SHORT_AT_START,
    SHORT_AT_RESIZE,
    SPOT_TIMED_OUT,
    ON_DEMAND_TIMED_OUT,
    UNHEALTHY,
    REPLACING,
)


@dataclass(frozen=True)
class Notice:
    """One of these happened to a group or fleet; `words` fill in its message."""

    kind: Kind
    group: Group
    words: Mapping[str, object] = field(default_factory=dict)

    @property
    def detail_type(self) -> str:
        """The event's kind."""
        return self.kind.detail_type.format(FLEET if self.group.fleet else GROUP)

    def message(self, cluster: Cluster, now: str) -> str:
        """Return the event's message."""
        what, name = FLEET if self.group.fleet else GROUP, f"{cluster.id} ({cluster.name})"
        who = f"{what.lower()} {self.group.id}"
        return self.kind.text.format(
            what=what.lower(),
            id=self.group.id,
            cluster=name,
            where=f"{who} in Amazon EMR cluster {name}",
            the_where=f"{who} in the Amazon EMR cluster {name}",  # the guide has both
            state=self.group.status.state,
            now=now,
            **self.words,
        )
