"""What a wait is about, and what a watch knows of nodes (kiln.aws.context.Watch)."""

from __future__ import annotations

import msgspec


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What a wait is about: a cluster, and the steps on it that have not ended."""

    cluster_id: str
    step_ids: tuple[str, ...] = ()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a cluster: `group` is MASTER, CORE or TASK, `state` EC2's, `reason_code` why it ended.

    `launched_at` is in seconds since 1970, 0 when it is not known.
    """

    group: str
    state: str
    reason_code: str = ""
    launched_at: float = 0.0
