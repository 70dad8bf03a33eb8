"""From the records of security groups to the tables of nodes, which are only taken down here."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.models.security_groups import SecurityGroupRule
from waiting import wait_until

from emrbox.aws.security_groups import AWS, GroupFilters

if TYPE_CHECKING:
    from collections.abc import Callable


class Node:
    """A node that keeps the tables it gets."""

    def __init__(self, number: int) -> None:
        self.spec = SimpleNamespace(instance_id=f"i-{number}")
        self.filter, self.loads = "", 0

    def let_through(self, table: str) -> None:
        self.filter, self.loads = table, self.loads + 1


class Account:
    """Instances i-0, i-1, … at 10.0.0.0, 10.0.0.1, …, each with some of the groups a and b."""

    def __init__(self, *groups_of: str) -> None:
        self.backend = SimpleNamespace(managed_prefix_lists={})
        self.groups = {name: SimpleNamespace(id=name, ingress_rules=[], egress_rules=[]) for name in "ab"}
        self.instances = [
            SimpleNamespace(
                id=f"i-{number}",
                state="running",
                private_ip=f"10.0.0.{number}",
                security_groups=[self.groups[name] for name in names],
            )
            for number, names in enumerate(groups_of)
        ]
        self.backend.reservations = {"r-1": SimpleNamespace(instances=self.instances)}
        self.nodes = [Node(number) for number in range(len(groups_of))]
        self._filters = GroupFilters(self.backend, self._nodes_now, IPv4Address("10.0.3.1"))

    def _nodes_now(self) -> Any:
        return list(self.nodes)

    def rule(self, protocol: str, port: int | None, **source: Any) -> SecurityGroupRule:
        ports = None if port is None else str(port)
        given = {"ip_range": None, **source}
        return SecurityGroupRule(self.backend, protocol, "a", ports, ports, **given)

    def calls(self) -> int:
        return self._filters._last_call

    def tables(self) -> list[str]:
        self._filters.refresh()
        return [node.filter for node in self.nodes]


def test_an_instance_has_the_rules_of_all_its_groups_and_equal_ones_once() -> None:
    account = Account("ab", "b", "")
    for name, port in (("a", 22), ("a", 80), ("b", 80)):
        account.groups[name].ingress_rules.append(
            account.rule("tcp", port, ip_range={"CidrIp": "10.1.2.3/8"})
        )
    both, one, none = account.tables()
    source = "ip saddr { 10.0.0.0/8 } tcp dport"
    assert (both.count(f"{source} 22 accept"), both.count(f"{source} 80 accept")) == (1, 1)
    assert (one.count(f"{source} 22 accept"), one.count(f"{source} 80 accept")) == (0, 1)
    assert "dport" not in none
    assert all("ip saddr 10.0.3.1 accept" in table for table in (both, one, none))


def test_a_source_group_means_its_instances_until_they_have_ended() -> None:
    account = Account("a", "b", "b", "b")
    account.groups["a"].ingress_rules.append(account.rule("udp", 53, source_group={"GroupId": "b"}))
    assert "ip saddr { 10.0.0.1/32, 10.0.0.2/31 } udp dport 53 accept" in account.tables()[0]
    account.instances[1].state = "stopped"
    account.instances[2].state = "terminated"
    assert "ip saddr { 10.0.0.1/32, 10.0.0.3/32 } udp dport 53 accept" in account.tables()[0]
    for instance in account.instances[1:]:
        instance.state = "terminated"
    assert "udp" not in account.tables()[0]


def test_only_tables_that_differ_are_loaded() -> None:
    account = Account("a", "a", "b")
    account.tables()
    account.tables()
    account.groups["a"].egress_rules.append(account.rule("-1", None, ip_range={"CidrIpv6": "fd00::/8"}))
    account.tables()
    assert [node.loads for node in account.nodes] == [2, 2, 1]


def test_an_instance_that_is_ending_keeps_its_table_and_its_place_in_others() -> None:
    account = Account("a", "b")
    account.groups["a"].ingress_rules.append(account.rule("udp", 53, source_group={"GroupId": "b"}))
    account.tables()
    account.instances[1].state = "shutting-down"
    account.groups["b"].ingress_rules.append(account.rule("tcp", 22, ip_range={"CidrIp": "0.0.0.0/0"}))
    first, second = account.tables()
    assert "10.0.0.1/32" in first
    assert "22" not in second


def in_a_slow_refresh(account: Account) -> Callable[[], None]:
    """Begin a refresh that loads the first node's table; return what lets it go on, and waits for its end."""
    loading, go_on = threading.Event(), threading.Event()
    load = account.nodes[0].let_through

    def slowly(table: str) -> None:
        loading.set()
        go_on.wait()
        load(table)

    account.nodes[0].let_through = slowly  # type: ignore[method-assign]
    thread = threading.Thread(target=account.tables)
    thread.start()
    loading.wait()

    def end() -> None:
        go_on.set()
        thread.join()

    return end


def test_an_instance_that_comes_while_others_wait_for_their_turn_is_filtered_when_its_call_returns() -> None:
    account = Account("a", "a", "a")
    later = [account.nodes.pop(), account.nodes.pop()][::-1]
    end = in_a_slow_refresh(account)
    threads = []
    for node in later:
        account.nodes.append(node)
        threads.append(threading.Thread(target=account.tables))
        threads[-1].start()
        wait_until(lambda: account.calls() == 1 + len(threads))
    end()
    for thread in threads:
        thread.join()
    assert [node.loads for node in account.nodes] == [1, 1, 1]


def test_changes_during_a_refresh_are_answered_by_one_more() -> None:
    account = Account("a")
    end = in_a_slow_refresh(account)
    threads = [threading.Thread(target=account.tables) for _ in range(5)]
    for port, thread in enumerate(threads, 1):
        account.groups["a"].ingress_rules.append(account.rule("tcp", port, ip_range={"CidrIp": "10.0.0.0/8"}))
        thread.start()
    wait_until(lambda: account.calls() == 1 + len(threads))
    end()
    for thread in threads:
        thread.join()
    assert account.nodes[0].loads == 2
    assert account.nodes[0].filter.count("tcp dport") == 5


@pytest.mark.parametrize(
    ("owner", "expected"), [("123456789012", "{ 10.7.0.0/16, 10.9.0.0/16 }"), (AWS, "{ 10.0.3.1/32 }")]
)
def test_a_prefix_list_means_its_networks_and_those_of_aws_the_endpoint(owner: str, expected: str) -> None:
    account = Account("a")
    cidrs = ("10.7.0.0/16", "anything", "10.9.0.0/16")
    entries = {1: [{"Cidr": "10.6.0.0/16"}], 2: [{"Cidr": cidr} for cidr in cidrs]}
    found = SimpleNamespace(owner_id=owner, version=2, entries=entries)
    account.backend.managed_prefix_lists["pl-1"] = found
    rule = account.rule("6", 443, prefix_list_id={"PrefixListId": "pl-1"})
    account.groups["a"].egress_rules.append(rule)
    assert f"ip daddr {expected} tcp dport 443 accept" in account.tables()[0]
    account.backend.managed_prefix_lists.clear()
    assert "443" not in account.tables()[0]
