from __future__ import annotations

import http.client
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from emrbox.nodes.imds import MetadataServer
from emrbox.nodes.metadata_tree import InstanceFacts, RoleCredentials, documents, look_up
from emrbox.nodes.tree import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = NodeSpec(
    "i-1", "10.213.0.4", "ip-10-213-0-4.ec2.internal", (), user_data=b"#!/bin/sh\n", role_name="reader"
)
FACTS = InstanceFacts(
    account_id="123456789012",
    region="us-east-1",
    availability_zone="us-east-1a",
    image_id="ami-1",
    instance_type="m5.xlarge",
    launch_index=0,
    launch_time="2026-01-01T00:00:00Z",
    mac="02:00:0a:d5:00:04",
    reservation_id="r-1",
    instance_profile_arn="arn:aws:iam::123456789012:instance-profile/reader",
    public_key=("key", "ssh-ed25519 AAAA"),
    tags={"team": "models"},
)


# Linux's, which Python does not name: packets with a lower TTL are dropped.
IP_MINTTL = 21


class Source:
    def __init__(self, facts: InstanceFacts = FACTS) -> None:
        self._facts = facts

    def facts(self, instance_id: str) -> InstanceFacts:
        assert instance_id == "i-1"
        return self._facts

    def credentials(self, _: str) -> RoleCredentials:
        return RoleCredentials("key", "secret", "token", "2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z")


class Client:
    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = ""

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, f"/latest/{path}", headers=sent)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def get(self, path: str) -> tuple[int, str]:
        if not self.token:
            _, self.token = self.ask("PUT", "api/token", X_aws_ec2_metadata_token_ttl_seconds="60")
        return self.ask("GET", path, X_aws_ec2_metadata_token=self.token)


@pytest.fixture
def facts() -> InstanceFacts:
    return FACTS


@pytest.fixture
def client(facts: InstanceFacts) -> Iterator[Client]:
    server = MetadataServer(Source(facts))
    listening = socket.create_server(("127.0.0.1", 0))
    server.add(listening, SPEC)
    made = Client(listening.getsockname()[1])
    yield made
    made.connection.close()
    server.remove(listening)


def test_imds_answers_nothing_without_a_token(client: Client) -> None:
    assert client.ask("GET", "meta-data/instance-id")[0] == 401
    assert client.ask("GET", "meta-data/instance-id", X_aws_ec2_metadata_token="guess")[0] == 401


@pytest.mark.parametrize("facts", [replace(FACTS, requires_token=False)])
def test_version_1_answers_without_a_token_where_it_may_but_not_to_a_wrong_one(client: Client) -> None:
    assert client.ask("GET", "meta-data/instance-id") == (200, "i-1")
    assert client.ask("GET", "meta-data/instance-id", X_aws_ec2_metadata_token="guess")[0] == 401
    assert client.get("meta-data/instance-id") == (200, "i-1")


@pytest.mark.parametrize("facts", [replace(FACTS, hop_limit=3)])
def test_a_token_travels_as_many_hops_as_it_may(client: Client) -> None:
    client.connection.connect()
    client.connection.sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 3)
    assert client.get("meta-data/instance-id") == (200, "i-1")
    client.connection.sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 4)
    client.connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.ask("PUT", "api/token", X_aws_ec2_metadata_token_ttl_seconds="60")


@pytest.mark.parametrize("seconds", ["", "0", "21601", "ten"])
def test_a_token_needs_a_life_of_one_second_to_six_hours(client: Client, seconds: str) -> None:
    assert client.ask("PUT", "api/token", X_aws_ec2_metadata_token_ttl_seconds=seconds)[0] == 400


def test_a_proxy_gets_no_token(client: Client) -> None:
    headers = {"X_aws_ec2_metadata_token_ttl_seconds": "60", "X_Forwarded_For": "10.0.0.1"}
    assert client.ask("PUT", "api/token", **headers)[0] == 403


def test_a_role_s_credentials_are_handed_out(client: Client) -> None:
    assert client.get("meta-data/iam/security-credentials/") == (200, "reader")
    status, text = client.get("meta-data/iam/security-credentials/reader")
    assert (status, json.loads(text)["Expiration"]) == (200, "2026-01-01T06:00:00Z")
    assert client.get("meta-data/iam/security-credentials/other")[0] == 404


def test_user_data_comes_back_as_it_was_given(client: Client) -> None:
    assert client.get("user-data") == (200, "#!/bin/sh\n")


def test_a_folder_is_listed_with_slashes() -> None:
    tree = documents(SPEC, FACTS)
    assert look_up(tree, "meta-data/placement/") == "availability-zone\nregion"
    assert "iam/" in (look_up(tree, "meta-data") or "").splitlines()
    assert look_up(tree, "meta-data/public-keys/0/openssh-key") == "ssh-ed25519 AAAA"
    assert look_up(tree, "meta-data/tags/instance/team") == "models"
    assert look_up(tree, "meta-data/nothing") is None
