"""From moto's security groups to the filters of the nodes.

All of an account is computed again after each change, and only the tables that differ are loaded.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING, Any

from emrbox.nodes.filters import ALL, EVERY_PROTOCOL, Network, Rule, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address

    from moto.ec2.models.instances import Instance
    from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

    from emrbox.nodes.node import Node

_AT_ONCE = 16  # a load waits for the kernel more than it computes
_ENDING, _ENDED = "shutting-down", "terminated"
AWS = "AWS"  # owner of its prefix lists, as moto writes it
NUMBERED = {"1": "icmp", "6": "tcp", "17": "udp"}  # moto keeps either
Members = dict[str, list[Network]]  # a group's id -> its instances' private addresses


class GroupFilters:
    """Keeps the filters of one account's nodes as its security groups are. `nodes` returns those of all."""

    def __init__(self, backend: Any, nodes: Callable[[], Iterable[Node]], gateway: IPv4Address) -> None:
        self._backend = backend
        self._nodes = nodes
        self._gateway = gateway
        self._lock = threading.Lock()  # tables are loaded in the order in which they were computed
        self._calls = itertools.count(1)
        self._last_call = self._answered = 0  # all calls up to the second were answered by one refresh

    def refresh(self) -> None:
        """Filter this account's nodes as its groups are now; returns when it is so. BoxError if not."""
        call = self._last_call = next(self._calls)
        with self._lock:
            if call <= self._answered:  # twenty instances that end together need few refreshes
                return
            # Read before what it answers: instances, nodes and rules of these calls are there by now.
            answered = self._last_call
            reservations = list(self._backend.reservations.values())
            instances = {one.id: one for held in reservations for one in held.instances}
            wanted = self._tables([one for one in instances.values() if one.state != _ENDED])
            changed = [
                (node, wanted_table)
                for node in self._nodes()
                if (wanted_table := wanted.get(node.spec.instance_id)) and node.filter != wanted_table
            ]
            if len(changed) == 1:
                changed[0][0].let_through(changed[0][1])
            elif changed:
                with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="filters") as pool:
                    list(pool.map(lambda one: one[0].let_through(one[1]), changed))
            self._answered = answered

    def _tables(self, instances: Sequence[Instance]) -> dict[str, str]:
        """Return each instance's table by its id; it is written once for all with the same groups."""
        members: Members = defaultdict(list)
        for instance in instances:
            for group in instance.security_groups:
                members[group.id].append(IPv4Network(instance.private_ip))
        written: dict[tuple[str, ...], str] = {}
        found: dict[str, str] = {}
        for instance in instances:
            groups = sorted(instance.security_groups, key=lambda group: str(group.id))
            key = tuple(group.id for group in groups)
            if key not in written:
                written[key] = self._table(groups, members)
            if instance.state != _ENDING:  # what ends soon needs no new table
                found[instance.id] = written[key]
        return found

    def _table(self, groups: Iterable[SecurityGroup], members: Members) -> str:
        ingress: dict[Rule, None] = {}  # a group may repeat what another one says
        egress: dict[Rule, None] = {}
        for group in groups:
            ingress |= dict.fromkeys(self._rules(group.ingress_rules, members))
            egress |= dict.fromkeys(self._rules(group.egress_rules, members))
        return table(tuple(ingress), tuple(egress), self._gateway)

    def _rules(
        self, rules: Iterable[SecurityGroupRule], members: Mapping[str, list[Network]]
    ) -> Iterator[Rule]:
        for rule in list(rules):
            first, last = (ALL if port is None else int(port) for port in (rule.from_port, rule.to_port))
            networks = tuple(self._networks(rule, members))
            protocol = str(rule.ip_protocol or EVERY_PROTOCOL).lower()
            yield Rule(NUMBERED.get(protocol, protocol), first, last, networks)

    def _networks(self, rule: SecurityGroupRule, members: Mapping[str, list[Network]]) -> Iterable[Network]:
        """Return whom a rule concerns, now."""
        if rule.source_group:
            return members.get(rule.source_group["GroupId"], [])
        if rule.prefix_list_id:
            return self._listed(rule.prefix_list_id)
        return _network(rule.cidr_ipv4 or rule.cidr_ipv6 or "")

    def _listed(self, prefix_list_id: str) -> list[Network]:
        """Return the entries of a prefix list. AWS's own lists are of its services: here, the gateway."""
        found = self._backend.managed_prefix_lists.get(prefix_list_id)
        if found is None:
            return []
        if found.owner_id == AWS:
            return [IPv4Network(self._gateway)]
        entries = found.entries.get(found.version) or []
        return [one for entry in entries for one in _network(entry["Cidr"])]


def _network(cidr: str) -> list[Network]:
    """Return a CIDR's network; EC2 takes one with bits of a host, too, and leaves those out."""
    try:
        return [ip_network(cidr, strict=False)]
    except ValueError:  # of a prefix list: moto takes any text there, and it concerns nobody
        return []
