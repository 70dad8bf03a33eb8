"""The run that the nodes of a playbook belong to, as the action emr_node_apply is told."""

from __future__ import annotations

import msgspec


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run that the nodes belong to. `instances` has their instance ids by name.

    `is_whole`: these are all nodes of the cluster, which later ones have to be like.
    """

    pipeline: str
    run_id: str
    cluster_id: str
    state_uri: str
    is_whole: bool
    instances: dict[str, str]
