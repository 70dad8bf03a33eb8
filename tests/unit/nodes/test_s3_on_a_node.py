"""Objects in S3 on a node: curl with the role of the instance, and the AWS CLI where curl cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from node_world import CURL, OUTPUT, UPLOAD

from kiln.nodes.on_node import s3
from kiln.nodes.on_node.items import ItemError

if TYPE_CHECKING:
    from pathlib import Path

    from node_world import NodeWorld

ADDRESS = "s3://a-bucket/kiln/envs/1.tar.zst"
CANARIES = ("s/1+", "t==", "metadata-token")


@pytest.fixture
def target(node: NodeWorld) -> Path:
    node.program("aws", f'#!/bin/sh\necho "aws $*" >>{node.root}/asked\n[ $5 = {ADDRESS} ] || echo cli >$5\n')
    return node.root / "target"


def with_s3(node: NodeWorld, does: str) -> None:
    text = CURL.format(s3=f"printf '%s\\n' \"$config\" >{node.root}/config; {does}")
    node.program(
        "curl", text.replace("config=$(cat)", f'echo "curl $*" >>{node.root}/asked; config=$(cat)', 1)
    )


def asked(node: NodeWorld) -> str:
    return (node.root / "asked").read_text()


def test_an_object_is_fetched_by_one_request_that_is_signed_with_the_role(
    node: NodeWorld, target: Path
) -> None:
    with_s3(node, f'echo object >"{OUTPUT}"')
    s3.get(ADDRESS, str(target))
    assert target.read_text() == "object\n"
    config = (node.root / "config").read_text().splitlines()
    assert config == [
        f'output = "{target}"',
        'url = "https://s3.eu-west-1.amazonaws.com/a-bucket/kiln/envs/1.tar.zst"',
        'aws-sigv4 = "aws:amz:eu-west-1:s3"',
        'user = "AKIA1:s/1+"',
        'header = "x-amz-security-token: t=="',
        'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"',
        'write-out = "%{http_code}"',
    ]
    assert "aws" not in asked(node)
    assert not [canary for canary in CANARIES if canary in asked(node)]


def test_a_file_is_stored_where_the_environment_says_that_s3_is(
    node: NodeWorld, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://other.internal")
    with_s3(node, f'cp "{UPLOAD}" {node.root}/stored')
    target.write_text("packed")
    s3.put(str(target), ADDRESS)
    assert (node.root / "stored").read_text() == "packed"
    assert 'url = "http://other.internal/a-bucket/kiln/envs/1.tar.zst"' in (node.root / "config").read_text()
    assert "aws" not in asked(node)


REDIRECTING = f'[ -z "{OUTPUT}" ] || echo PermanentRedirect >"{OUTPUT}"; printf 301; exit 0'
REFUSING = {
    "S3 refuses": "exit 22",
    "S3 redirects to another region": REDIRECTING,
    "no service of an instance": None,
    "a role that the service has no words for": "ROLE",
}


@pytest.mark.parametrize("does", REFUSING.values(), ids=REFUSING.keys())
def test_what_curl_cannot_do_the_cli_does(node: NodeWorld, target: Path, does: str | None) -> None:
    if does == "ROLE":
        with_s3(node, "exit 22")
        curl = node.root / "bin/curl"
        curl.write_text(curl.read_text().replace("the-role ", "").replace("eu-west-1", 'eu"-west-1'))
    elif does:
        with_s3(node, does)
    s3.get(ADDRESS, str(target))
    assert target.read_text() == "cli\n"
    s3.put(str(target), ADDRESS)
    assert asked(node).count("aws s3 cp --no-progress") == 2


def test_a_node_may_have_no_curl(node: NodeWorld, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(node.root / "bin"))
    s3.get(ADDRESS, str(target))
    assert target.read_text() == "cli\n"


def test_a_value_that_would_be_more_than_a_value_is_not_given_to_curl(node: NodeWorld, target: Path) -> None:
    with_s3(node, f'echo object >"{OUTPUT}"')
    s3.get('s3://a-bucket/x"\nurl = "http://elsewhere', str(target))
    assert target.read_text() == "cli\n"
    assert not (node.root / "config").exists()


def test_the_words_of_the_cli_are_the_error(node: NodeWorld, target: Path) -> None:
    node.program("aws", "#!/bin/sh\necho An error occurred: AccessDenied >&2\nexit 1\n")
    with pytest.raises(ItemError, match="aws s3 cp: An error occurred: AccessDenied"):
        s3.get(ADDRESS, str(target))
