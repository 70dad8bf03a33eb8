"""EMR's events from a queue: which of our clusters each one is about. This is where their bodies come in.

Events come twice, late, in another order or not at all (docs/aws_facts.md 5), and whoever may write to the
queue can invent some: an event only lets a process ask AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from kiln.identity import CLUSTER_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kiln.aws.effects import Message

# What SQS delivers at most (SQS quotas, message size).
_MOST_BYTES = 1024 * 1024
SOURCE = "aws.emr"
# What may end a wait or lose a node; scaling and provisioning reports do not.
KINDS = frozenset({"EMR Cluster State Change", "EMR Step Status Change", "EMR Instance Group State Change"})


class _Detail(msgspec.Struct):
    clusterId: Annotated[str, Meta(pattern=rf"^{CLUSTER_ID.pattern}\Z")]  # noqa: N815  # AWS's name


class _Event(msgspec.Struct):
    source: str
    kind: str = msgspec.field(name="detail-type")
    detail: _Detail


def clusters_of(messages: Iterable[Message], ours: Collection[str]) -> set[str]:
    """Return our clusters that events are about; what is no event of EMR's is about none."""
    return {found for one in messages if (found := _cluster_of(one.body)) in ours and found is not None}


def _cluster_of(body: str) -> str | None:
    if len(body) > _MOST_BYTES:
        return None
    try:
        event: Any = msgspec.json.decode(body, type=_Event)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return event.detail.clusterId if event.source == SOURCE and event.kind in KINDS else None
