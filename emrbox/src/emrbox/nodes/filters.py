"""What a node's security groups let through, as one table of nftables in its own network namespace.

Connections are treated as EC2 treats them (EC2 User Guide, "Security group connection tracking"): answers
pass, and a connection outlives the rule that let it in. Not so one that anybody may open while everybody may
be answered: EC2 does not track it, and it ends with its rule. Such connections carry a mark here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TYPE_CHECKING, Any

from emrbox.nodes import network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from ipaddress import IPv4Address

Network = IPv4Network | IPv6Network

TABLE = "security_groups"
EVERY_PROTOCOL, WITH_PORTS = "-1", ("tcp", "udp")
# Protocol of a rule -> its name in nftables, and the version of IP that it belongs to.
ICMP = {"icmp": ("icmp", 4), "icmpv6": ("ipv6-icmp", 6), "58": ("ipv6-icmp", 6)}
ALL, LAST_PORT = -1, 65535
UNTRACKED = 1  # the mark
_EVERYBODY: dict[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}
_FAMILY, _ICMP_HEADER = {4: "ip", 6: "ip6"}, {4: "icmp", 6: "icmpv6"}  # by the version of IP
# Without these IPv6 has no neighbours; EC2 filters neither them nor ARP.
_NEIGHBOURS = "{ nd-neighbor-solicit, nd-neighbor-advert }"


@dataclass(frozen=True)
class Rule:
    """Lets packets in from `networks`, or out to them.

    `protocol` is tcp, udp, icmp, icmpv6, a number, or -1 for all. `first` and `last` are ports, of ICMP
    the type and the code; -1 is every one. Other protocols have neither.
    """

    protocol: str
    first: int
    last: int
    networks: tuple[Network, ...]

    @property
    def with_ports(self) -> tuple[str, ...]:
        """Which of TCP and UDP it may let through; EC2 tracks all other protocols always."""
        return tuple(one for one in WITH_PORTS if self.protocol in (EVERY_PROTOCOL, one))

    @property
    def has_all_ports(self) -> bool:
        """Whether it is for every port."""
        return (self.first, self.last) in {(ALL, ALL), (0, LAST_PORT)}

    def opens(self, protocol: str, everybody: Network) -> bool:
        """Whether it lets all ports of a protocol through, from or to everybody."""
        return protocol in self.with_ports and self.has_all_ports and everybody in self.networks


def table(ingress: Sequence[Rule], egress: Sequence[Rule], gateway: IPv4Address) -> str:
    """Return the table with these rules.

    `gateway` is the box itself: AWS, which comes in whatever the rules say.
    """
    return "\n".join(
        [
            f"table inet {TABLE} {{",
            *_chain("ingress", "input", [f"ip saddr {gateway} accept", *_lines(ingress, egress, "saddr")]),
            *_chain("egress", "output", _lines(egress, ingress, "daddr")),
            "}",
            "",
        ]
    )


def load(text: str, *, is_first: bool = False) -> None:
    """Filter the calling thread's network namespace by a `table`. BoxError when nft refuses it.

    It comes in the place of the one before in one transaction; for the first one the kernel does not wait.
    """
    before = "" if is_first else f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    network.run(["nft", "-f", "-"], before + text)


def _chain(name: str, hook: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"  chain {name} {{"
    yield f"    type filter hook {hook} priority filter; policy drop;"
    yield f'    {"iif" if hook == "input" else "oif"} "lo" accept'
    yield f"    ct state established,related ct mark != {UNTRACKED} accept"
    yield f"    icmpv6 type {_NEIGHBOURS} accept"
    for line in lines:
        yield f"    {line}"
    yield "  }"


def _lines(rules: Sequence[Rule], opposite: Sequence[Rule], end: str) -> Iterator[str]:
    """Yield the lines of each rule and version of IP; `end` is the address that they compare."""
    for rule in rules:
        for version, everybody in _EVERYBODY.items():
            own = [one for one in rule.networks if one.version == version]
            packets = _packets(rule, version)
            if not own or packets is None:
                continue
            if everybody not in own:
                joined = ", ".join(map(str, _joined(own)))
                yield f"{_FAMILY[version]} {end} {{ {joined} }} {packets} accept"
                continue
            known = packets if rule.protocol == EVERY_PROTOCOL else f"meta nfproto ipv{version} {packets}"
            for protocol in rule.with_ports:
                if any(one.opens(protocol, everybody) for one in opposite):
                    yield f"{known} meta l4proto {protocol} ct state new ct mark set {UNTRACKED}"
            yield f"{known} accept"


def _joined(networks: Sequence[Any]) -> Iterator[Network]:
    """Yield networks of one version, neighbours as one: the sets of nftables take no overlaps."""
    yield from collapse_addresses(networks)


def _packets(rule: Rule, version: int) -> str | None:
    """Return what nftables compares for a rule's protocol and ports; None in the other version of IP."""
    if rule.protocol == EVERY_PROTOCOL:
        return f"meta nfproto ipv{version}"
    if rule.protocol in ICMP:
        name, own_version = ICMP[rule.protocol]
        if version != own_version:
            return None
        kind = _ICMP_HEADER[version]
        if rule.first == ALL:
            return f"meta l4proto {name}"
        return f"{kind} type {rule.first}" + (f" {kind} code {rule.last}" if rule.last != ALL else "")
    if rule.protocol in WITH_PORTS and not rule.has_all_ports:
        ports = str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
        return f"{rule.protocol} dport {ports}"
    return f"meta l4proto {rule.protocol}"
