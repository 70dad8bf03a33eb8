"""HDFS as a cluster's daemons read it; this process plays what answers in the place of its daemons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from folder_node import NOW, member
from local_daemon import serving

from emrbox.emr.life.states import InstanceState
from emrbox.emr.machines import webhdfs
from emrbox.emr.machines.daemons import Daemons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from local_daemon import Answer

    from emrbox.emr.machines.node_access import Member
    from emrbox.emr.machines.webhdfs import WebHdfs


class Impostor:
    """Names `location` for each file; `read` are the paths that were read. Each folder has another one."""

    def __init__(self) -> None:
        self.location = ""
        self.listing: Any = None
        self.read: list[str] = []
        folder = {"pathSuffix": "a", "type": "DIRECTORY", "length": 0, "modificationTime": 0}
        self.endless = {"FileStatuses": {"FileStatus": [folder]}}

    def reply(self, request: BaseHTTPRequestHandler) -> Answer:
        if "op=LISTSTATUS" in request.path:
            return 200, json.dumps(self.endless if self.listing is None else self.listing).encode(), {}
        if "op=OPEN" in request.path:
            return 200, json.dumps({"Location": self.location}).encode(), {}
        self.read.append(request.path)
        return 200, b"text", {}


@pytest.fixture
def impostor() -> Impostor:
    return Impostor()


@pytest.fixture
def port(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with serving(impostor.reply) as found:
        for name in ("NAMENODE_HTTP_PORT", "DATANODE_HTTP_PORT"):
            monkeypatch.setattr(webhdfs, name, found)
        yield found


@pytest.fixture
def node(tmp_path: Path) -> Member:
    found = member(tmp_path)
    found.instance.private_ip, found.instance.private_dns = "127.0.0.1", "ip-127-0-0-1.ec2.internal"
    return found


@pytest.fixture
def hdfs(node: Member, port: int) -> WebHdfs:  # noqa: ARG001  # the port is patched
    return Daemons([node]).hdfs


def test_a_file_is_read_where_the_name_node_says(impostor: Impostor, port: int, hdfs: WebHdfs) -> None:
    impostor.location = f"http://ip-127-0-0-1.ec2.internal:{port}/webhdfs/v1/a?op=READ"
    with hdfs.open("/a") as file:
        assert file.read() == b"text"
    assert impostor.read == ["/webhdfs/v1/a?op=READ"]


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://ip-127-0-0-1.ec2.internal@localhost:{port}/",
        "http://ip-127-0-0-1.ec2.internal:1/",
        "http://ip-127-0-0-1.ec2.internal/",
        "http://ip-127-0-0-1.ec2.internal:x/",
        "/nowhere",
        "http://[",
    ],
)
def test_the_daemons_read_from_no_other_host_and_port(
    impostor: Impostor, port: int, hdfs: WebHdfs, location: str
) -> None:
    impostor.location = location.format(port=port)
    with pytest.raises(OSError, match="not at"):
        hdfs.open("/a")
    assert impostor.read == []


def test_a_node_that_has_left_is_not_read_from(
    impostor: Impostor, port: int, hdfs: WebHdfs, node: Member
) -> None:
    impostor.location = f"http://ip-127-0-0-1.ec2.internal:{port}/"
    node.instance.status.move(InstanceState.TERMINATED, NOW)
    with pytest.raises(OSError, match="not at a node"):
        hdfs.open("/a")
    assert impostor.read == []


def test_folders_without_end_end(hdfs: WebHdfs) -> None:
    assert list(hdfs.files("/a")) == []


ENDLESS_TIME = {"pathSuffix": "a", "type": "FILE", "length": 1, "modificationTime": float("inf")}


@pytest.mark.parametrize(
    "listing",
    [[], {}, {"FileStatuses": 1}, *({"FileStatuses": {"FileStatus": [one]}} for one in ({}, ENDLESS_TIME))],
)
def test_what_is_no_listing_is_an_os_error(impostor: Impostor, hdfs: WebHdfs, listing: Any) -> None:
    impostor.listing = listing
    with pytest.raises(OSError, match="not a listing"):
        hdfs.entries("/a")
