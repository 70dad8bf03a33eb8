"""The work of the action emr_target_nodes: the nodes of a cluster, and the pinning of their host keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import advice
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.errors import PreflightError
from kiln.host_keys import pinning
from kiln.host_keys.known_hosts import KnownHosts
from kiln.nodes import target_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whose EC2 is asked for console outputs."""

    region: str
    profile: str = ""
    aws_config_file: str = ""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Account:
        """Return that of an action's arguments."""
        return cls(
            region=str(arguments["region"]),
            profile=str(arguments.get("profile") or ""),
            aws_config_file=str(arguments.get("aws_config_file") or ""),
        )


def prepared(
    cluster: Mapping[str, Any], only: Iterable[str], groups: Sequence[str], folder: Path, account: Account
) -> dict[str, Any]:
    """Return the running nodes as hosts of Ansible's inventory, and notes for people.

    `only`: instance ids of those that are meant; empty for all. Each is in `groups`, in that of its kind, and
    in the one that aws_ec2.yml makes of its role's tag. Raises ClusterNotFoundError for what cannot be a
    node, PreflightError when the folder of known_hosts files cannot be written.
    """
    nodes = target_nodes.running(cluster, only)
    known = KnownHosts(folder=folder, cluster_id=str(cluster["id"]))
    notes, named = pin(known, {node["instance_id"]: node["name"] for node in nodes}, account)
    return {"nodes": [_host(node, groups, known, named) for node in nodes], "notes": notes}


def _host(
    node: Mapping[str, str], groups: Sequence[str], known: KnownHosts, named: frozenset[str]
) -> dict[str, Any]:
    kind = node["group"]
    return {
        "name": node["name"],
        "groups": [*groups, kind, f"tag_role_{kind.removeprefix('emr_').upper()}"],
        "variables": {
            "kiln_cluster_id": known.cluster_id,
            "kiln_instance_id": node["instance_id"],
            "kiln_host_key_checking": known.checking(node["instance_id"], named),
        },
    }


def pin(known: KnownHosts, nodes: Mapping[str, str], account: Account) -> tuple[list[str], frozenset[str]]:
    """Pin the keys of nodes (address by instance id) that have none yet.

    Return notes for people, and the ids of all instances that have a key then. Raises PreflightError when the
    known_hosts file cannot be read or written.
    """
    try:
        return _pinned(known, nodes, account), known.names()
    except OSError as error:
        raise PreflightError(
            f"{error.filename or known.folder}: host keys cannot be kept there: {error.strerror}",
            fix="make kiln_state_dir a folder that this user can write",
        ) from error


def _pinned(known: KnownHosts, nodes: Mapping[str, str], account: Account) -> list[str]:
    if nodes.keys() <= known.names():
        return []
    from kiln.aws.boto import Boto  # noqa: PLC0415  boto3 is slow to import, and mostly all keys are known

    config_file = Path(account.aws_config_file) if account.aws_config_file else None
    aws = Boto(region=account.region, profile=account.profile, config_file=config_file)
    context = Context(aws=aws, clock=SystemClock(), by_hand=advice.is_by_hand())
    return pinning.lines(pinning.pin(context, known, nodes))
