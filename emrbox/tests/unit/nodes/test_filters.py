"""What a node's filter lets through: tried with packets, in namespaces that look like a box's network."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any

import pytest

from emrbox.nodes.filters import Rule, table

NETWORK = Path(__file__).resolve().parents[2] / "helpers/filtered_network.py"
EVERYBODY = ["0.0.0.0/0"]
HOST, OTHER = ["10.9.0.2/32"], ["10.9.0.6/32"]
OUT = [["-1", -1, -1, EVERYBODY]]


def outcomes(*actions: list[Any]) -> list[Any]:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, NETWORK],
        input=json.dumps(actions),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [said for said in json.loads(done.stdout) if said is not None]


def test_only_the_sources_and_ports_of_rules_come_in() -> None:
    rules = [["tcp", 22, 22, HOST], ["tcp", 80, 100, OTHER], ["udp", -1, -1, HOST]]
    assert outcomes(
        ["filter", rules, OUT],
        ["try", "host", "node", "tcp", 22],
        ["try", "other", "node", "tcp", 80],
        ["try", "host", "node", "udp", 53],
        ["try", "host", "node", "tcp", 80],
        ["try", "other", "node", "tcp", 22],
        ["try", "other", "node", "tcp", 8443],
        ["try", "other", "node", "udp", 53],
        ["try", "host", "node", "tcp6", 22],
    ) == [*[True] * 3, *[False] * 5]


def test_icmp_is_let_in_by_type_and_by_version_of_ip() -> None:
    assert outcomes(
        ["filter", [["icmp", 8, 0, HOST], ["icmpv6", 128, -1, ["fd09::6/128"]]], OUT],
        ["try", "host", "node", "icmp", 8],
        ["try", "other", "node", "icmpv6", 128],
        ["try", "other", "node", "icmp", 8],
        ["try", "host", "node", "icmpv6", 128],
        ["filter", [["icmp", 3, -1, HOST]], OUT],
        ["try", "host", "node", "icmp", 8],
        ["filter", [["icmp", -1, -1, HOST]], OUT],
        ["try", "host", "node", "icmp", 8],
        ["filter", [["-1", -1, -1, [*HOST, "fd09::2/128"]]], OUT],
        ["try", "host", "node", "icmpv6", 128],
        ["try", "host", "node", "icmp", 8],
        ["try", "other", "node", "icmpv6", 128],
    ) == [True, True, False, False, False, True, True, True, False]


def test_without_rules_nothing_comes_in_but_the_box_and_nothing_goes_out() -> None:
    assert outcomes(
        ["filter", [], []],
        ["try", "gateway", "node", "tcp", 22],
        ["try", "node", "node", "tcp", 22],
        ["try", "host", "node", "tcp", 22],
        ["try", "node", "other", "tcp", 80],
        ["try", "node", "other", "tcp6", 80],
        ["try", "node", "other", "udp", 53],
        ["try", "node", "other", "icmp", 8],
    ) == [*[True] * 2, *[False] * 5]


def test_egress_is_limited_by_destination_and_port_and_answers_need_no_rule() -> None:
    assert outcomes(
        ["filter", [["tcp", 22, 22, HOST]], [["tcp", 80, 80, OTHER]]],
        ["try", "node", "other", "tcp", 80],
        ["try", "host", "node", "tcp", 22],
        ["try", "node", "other", "tcp", 8443],
        ["try", "node", "gateway", "icmp", 8],
    ) == [True, True, False, False]


def test_a_tracked_connection_outlives_its_rule_and_new_ones_are_refused() -> None:
    assert outcomes(
        ["filter", [["tcp", 22, 22, HOST]], OUT],
        ["open", "old", "host", "node", 22],
        ["filter", [], []],
        ["use", "old"],
        ["try", "host", "node", "tcp", 22],
    ) == [True, True, False]


def test_a_connection_that_everybody_may_open_and_answer_ends_with_its_rule() -> None:
    to_all, to_host = [["tcp", 22, 22, EVERYBODY]], [["tcp", 22, 22, HOST]]
    assert outcomes(
        ["filter", to_all, OUT],
        ["open", "in", "host", "node", 22],
        ["open", "out", "node", "other", 80],
        ["filter", to_host, OUT],
        ["use", "in"],
        ["filter", [], OUT],
        ["use", "in"],
        ["use", "out"],
        ["filter", to_all, [["tcp", 0, 65535, EVERYBODY]]],
        ["open", "tcp out", "host", "node", 22],
        ["filter", [], OUT],
        ["use", "tcp out"],
        ["filter", to_all, [["tcp", 80, 80, EVERYBODY], ["udp", -1, -1, EVERYBODY]]],
        ["open", "tracked", "host", "node", 22],
        ["filter", [], OUT],
        ["use", "tracked"],
    ) == [True, True, True, False, True, True, False, True, True]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp", "icmpv6", "58", "47", "0", "255", "-1"])
@pytest.mark.parametrize(("first", "last"), [(-1, -1), (0, 0), (0, 255), (22, 22)])
def test_each_rule_that_ec2_takes_is_one_that_nftables_takes(protocol: str, first: int, last: int) -> None:
    networks = tuple(map(ip_network, ("0.0.0.0/0", "10.0.0.0/8", "::/0", "fd00::/8")))
    for some in (networks, networks[1::2], ()):
        rule = Rule(protocol, first, last, some)
        text = table((rule, rule), (rule,), IPv4Address("10.9.0.1"))
        argv = ["unshare", "--user", "--map-root-user", "--net", "/usr/sbin/nft", "-f", "-"]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + text
