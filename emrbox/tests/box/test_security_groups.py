"""Security groups let through what their rules say, from when the call that changes them returns.

What a rule means for packets is tested without a box, in tests/unit/nodes/test_filters.py. Run by an ordinary
user, the same tests try a box without root.
"""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from waiting import HANG_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.box

WEB, TOOL = 8080, 8081
SERVE = "for port in {ports}; do setsid python3 -m http.server $port </dev/null >/dev/null 2>&1 & done"
HOST = "host"
PATIENCE_SECONDS = 3
ENDPOINT = (
    f"curl -s -o /dev/null --max-time {PATIENCE_SECONDS} http://aws.emrbox.internal && echo answers || true"
)
# Prints when a port answers first, on the clock that all processes of this machine share. A try that gets no
# answer is given up after 50 ms, and the next one begins; the first leaves a file.
TRY = f"""
import pathlib, socket, sys, time
address, port, source, has_tried = sys.argv[1:5]
began = time.monotonic()
while time.monotonic() < began + {HANG_SECONDS}:
    try:
        socket.create_connection((address, int(port)), 0.05, (source, 0)).close()
        print(time.monotonic())
        break
    except TimeoutError:
        pathlib.Path(has_tried).touch()
"""
# Prints an answer's first word. Its patience begins when it has started, which may take seconds under load.
ASK = f"""
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), {PATIENCE_SECONDS}) as opened:
        opened.sendall(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
        print(opened.recv(4).decode())
except TimeoutError:  # dropped, as on EC2, and not refused
    pass
"""
# The host is not in the network of an ordinary user's box: what "emrbox connect" does.
FROM_HOST = """
import pathlib, sys
from emrbox import namespaces
from emrbox.box import state
running = state.running(pathlib.Path(sys.argv.pop()))
if not running.interface:
    namespaces.join(running.pid, ("user", "net"))
"""


class Group:
    """A security group of the default VPC."""

    def __init__(self, box: Any, name: str) -> None:
        self.ec2 = box.client("ec2")
        self.id = str(self.ec2.create_security_group(GroupName=name, Description="of a test")["GroupId"])

    def rule(self, port: int, source: str) -> dict[str, Any]:
        """Return a rule for a CIDR, or for the members of a group."""
        by_group = {"UserIdGroupPairs": [{"GroupId": source}]}
        ends = by_group if source.startswith("sg-") else {"IpRanges": [{"CidrIp": source}]}
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **ends}

    def allow(self, port: int, source: str) -> None:
        self.ec2.authorize_security_group_ingress(GroupId=self.id, IpPermissions=[self.rule(port, source)])

    def revoke(self, port: int, source: str) -> None:
        self.ec2.revoke_security_group_ingress(GroupId=self.id, IpPermissions=[self.rule(port, source)])


class Place:
    """Three instances: a server, with a group of its own, and two that ask it."""

    def __init__(self, box: Any) -> None:
        self.box, self.ec2 = box, box.client("ec2")
        self.host = box.environment["EMRBOX_HOST_CIDR"]
        self.servers, self.askers = Group(box, "servers"), Group(box, "askers")
        self.servers.allow(22, self.host)
        [self.server] = box.launch(SecurityGroupIds=[self.servers.id])
        self.asker, self.stranger = box.launch(2)
        self.address = str(self.server["PrivateIpAddress"])
        self.serve()

    def serve(self) -> None:
        """Start both servers, and return when they listen."""
        box_ssh = self.box.ssh
        box_ssh(self.server, SERVE.format(ports=f"{WEB} {TOOL}"))
        listening = f"ss -Hltn | grep -c -e :{WEB} -e :{TOOL} || true"
        wait_until(lambda: box_ssh(self.server, listening) == "2\n")

    def who(self, *more: dict[str, Any]) -> set[tuple[str, int]]:
        """Return who gets an answer from which of the server's ports: the host, and instances by address."""
        nodes = [self.asker, self.stranger, *more]
        with ThreadPoolExecutor() as pool:
            by_host = [pool.submit(self._from_host, port) for port in (WEB, TOOL)]
            by_node = [pool.submit(self._from_node, node) for node in nodes]
            return set().union(*(one.result() for one in (*by_host, *by_node)))

    def _from_host(self, port: int) -> set[tuple[str, int]]:
        return {(HOST, port)} if self._on_host(ASK, self.address, str(port)) == "HTTP\n" else set()

    def first_answer(self, has_tried: Path) -> float:
        """Return when the host gets through to WEB, by time.monotonic(); infinity if it does not."""
        source = self.host.partition("/")[0]
        return float(self._on_host(TRY, self.address, str(WEB), source, str(has_tried)) or math.inf)

    def _on_host(self, program: str, *words: str) -> str:
        python = sys.executable, "-c", FROM_HOST + program
        asked = subprocess.run([*python, *words, self.box.home], capture_output=True, text=True, check=True)
        return asked.stdout

    def first_answer_to(self, node: dict[str, Any], has_tried: str) -> float:
        """Return the same for an instance."""
        words = (TRY, self.address, str(WEB), str(node["PrivateIpAddress"]), has_tried)
        return float(self.box.ssh(node, f"python3 -c {shlex.join(words)}") or math.inf)

    def _from_node(self, node: dict[str, Any]) -> set[tuple[str, int]]:
        ask = f"curl -s -o /dev/null --max-time {PATIENCE_SECONDS} http://{self.address}:$port && echo $port"
        asked = self.box.ssh(node, f"for port in {WEB} {TOOL}; do ({ask}) & done; wait")
        return {(str(node["PrivateIpAddress"]), int(port)) for port in asked.split()}

    def groups(self, instance: dict[str, Any], *group_ids: str) -> None:
        self.ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=list(group_ids))


@pytest.fixture(scope="module")
def place(box: Any) -> Place:
    return Place(box)


@pytest.fixture
def as_before(place: Place) -> Iterator[None]:
    yield
    default = place.stranger["SecurityGroups"][0]["GroupId"]
    place.groups(place.asker, default)
    place.groups(place.server, place.servers.id)
    [servers] = place.ec2.describe_security_groups(GroupIds=[place.servers.id])["SecurityGroups"]
    place.ec2.revoke_security_group_ingress(GroupId=place.servers.id, IpPermissions=servers["IpPermissions"])
    place.servers.allow(22, place.host)


def test_what_no_rule_opens_answers_nobody(place: Place) -> None:
    assert place.server["SecurityGroups"] == [{"GroupId": place.servers.id, "GroupName": "servers"}]
    assert place.who() == set()
    assert place.box.ssh(place.server, f"curl -sI http://localhost:{WEB} | head -1").startswith("HTTP")


@pytest.mark.usefixtures("as_before")
def test_a_rule_opens_one_port_to_one_source_and_its_end_closes_it(place: Place) -> None:
    asker = str(place.asker["PrivateIpAddress"])
    place.servers.allow(WEB, place.host)
    place.servers.allow(TOOL, f"{asker}/32")
    assert place.who() == {(HOST, WEB), (asker, TOOL)}
    place.servers.revoke(WEB, place.host)
    assert place.who() == {(asker, TOOL)}


@pytest.mark.usefixtures("as_before")
def test_a_port_is_open_within_a_second_after_the_answer(place: Place, tmp_path: Path) -> None:
    asker, on_host, on_node = str(place.asker["PrivateIpAddress"]), tmp_path / "tried", "tried"
    with ThreadPoolExecutor() as pool:
        from_host = pool.submit(place.first_answer, on_host)
        from_node = pool.submit(place.first_answer_to, place.asker, on_node)
        wait_until(on_host.exists)
        wait_until(lambda: place.box.ssh(place.asker, f"ls {on_node} 2>&- || true"))
        place.servers.allow(WEB, place.host)
        opened_to_host = time.monotonic()
        place.servers.allow(WEB, f"{asker}/32")
        opened_to_node = time.monotonic()
    assert from_host.result() - opened_to_host < 1
    assert from_node.result() - opened_to_node < 1


@pytest.mark.usefixtures("as_before")
def test_rules_for_a_group_follow_its_instances(place: Place) -> None:
    asker, default = str(place.asker["PrivateIpAddress"]), place.asker["SecurityGroups"][0]["GroupId"]
    place.servers.allow(WEB, place.askers.id)
    assert place.who() == set()
    place.askers.allow(22, place.host)
    [new] = place.box.launch(SecurityGroupIds=[place.askers.id])
    place.groups(place.asker, place.askers.id, default)
    assert place.who(new) == {(asker, WEB), (str(new["PrivateIpAddress"]), WEB)}
    place.ec2.terminate_instances(InstanceIds=[new["InstanceId"]])
    interface = place.asker["NetworkInterfaces"][0]["NetworkInterfaceId"]
    place.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[default])
    shown = place.box.instance(place.asker["InstanceId"])
    assert [one["GroupId"] for one in shown["SecurityGroups"]] == [default]
    assert place.who() == set()


@pytest.mark.usefixtures("as_before")
def test_several_groups_let_in_what_any_of_them_does(place: Place) -> None:
    more = Group(place.box, "more")
    more.allow(TOOL, "0.0.0.0/0")
    place.servers.allow(WEB, place.host)
    place.groups(place.server, place.servers.id, more.id)
    everybody = (HOST, *(str(one["PrivateIpAddress"]) for one in (place.asker, place.stranger)))
    assert place.who() == {(HOST, WEB), *((one, TOOL) for one in everybody)}
    with pytest.raises(ClientError, match="DependencyViolation"):
        place.ec2.delete_security_group(GroupId=more.id)
    place.groups(place.server, place.servers.id)
    place.ec2.delete_security_group(GroupId=more.id)
    assert place.who() == {(HOST, WEB)}
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        place.groups(place.server, more.id)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("is_for_everybody", [False, True])
def test_an_open_connection_outlives_its_rule_unless_everybody_had_it(
    place: Place, *, is_for_everybody: bool
) -> None:
    source, port = ("0.0.0.0/0", WEB) if is_for_everybody else (place.host, TOOL)
    place.servers.allow(port, source)
    established = f"ss -Htn state established sport = :{port} | grep -c . || true"
    with place.box.connection(place.address, port) as opened:
        assert opened.stdin is not None
        opened.stdin.write(b"HEAD / HTTP/1.0\r\n")
        opened.stdin.flush()
        wait_until(lambda: place.box.ssh(place.server, established) == "1\n")
        place.servers.revoke(port, source)
        if is_for_everybody:
            with pytest.raises(subprocess.TimeoutExpired):
                opened.communicate(b"\r\n", timeout=PATIENCE_SECONDS)
            opened.kill()
        else:
            assert opened.communicate(b"\r\n", timeout=HANG_SECONDS)[0].startswith(b"HTTP")


def test_without_egress_a_node_reaches_nothing_but_metadata_and_answers(place: Place) -> None:
    alone = Group(place.box, "alone")
    alone.allow(22, place.host)
    [node] = place.box.launch(SecurityGroupIds=[alone.id])
    assert place.box.ssh(node, ENDPOINT) == "answers\n"
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    place.ec2.revoke_security_group_egress(GroupId=alone.id, IpPermissions=[everything])
    assert place.box.ssh(node, ENDPOINT) == ""
    metadata = "curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/"
    assert place.box.ssh(node, metadata) == "401"
    lists = place.ec2.describe_managed_prefix_lists()["PrefixLists"]
    [s3] = [one["PrefixListId"] for one in lists if one["PrefixListName"].endswith(".s3")]
    to_s3 = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": s3}]}
    place.ec2.authorize_security_group_egress(GroupId=alone.id, IpPermissions=[to_s3])
    assert place.box.ssh(node, ENDPOINT) == "answers\n"


@pytest.mark.usefixtures("as_before")
def test_rules_that_change_while_an_instance_is_stopped_hold_when_it_starts(place: Place) -> None:
    place.servers.allow(WEB, place.host)
    instance_id = place.server["InstanceId"]
    place.ec2.stop_instances(InstanceIds=[instance_id])
    wait_until(lambda: place.box.state(instance_id) == "stopped")
    place.servers.revoke(WEB, place.host)
    place.servers.allow(TOOL, place.host)
    place.ec2.start_instances(InstanceIds=[instance_id])
    wait_until(lambda: place.box.state(instance_id) == "running")
    place.serve()
    assert place.who() == {(HOST, TOOL)}


@pytest.mark.parametrize("protocol", ["tpc", "256", "-2", ""])
def test_a_rule_that_no_filter_has_is_refused(place: Place, protocol: str) -> None:
    with pytest.raises(ClientError, match=r"Unknown protocol|InvalidParameter|MissingParameter"):
        place.ec2.authorize_security_group_ingress(
            GroupId=place.servers.id, IpProtocol=protocol, FromPort=1, ToPort=1, CidrIp="10.0.0.0/8"
        )


@pytest.mark.parametrize("ports", [(2, 1), (-1, 22), (0, 65536)])
def test_ports_that_no_filter_has_are_refused(place: Place, ports: tuple[int, int]) -> None:
    with pytest.raises(ClientError, match="Invalid value"):
        place.ec2.authorize_security_group_ingress(
            GroupId=place.servers.id,
            IpProtocol="tcp",
            FromPort=ports[0],
            ToPort=ports[1],
            CidrIp="10.0.0.0/8",
        )
