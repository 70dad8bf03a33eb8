"""The endpoint over HTTP, with an empty account: fixtures for the conftest of each folder that needs it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import boto3
import moto.settings
import pytest
from botocore.config import Config
from moto.moto_api._internal.models import moto_api_backend

from emrbox.athena.service import AthenaService
from emrbox.aws.accounts import Accounts
from emrbox.config import BoxConfig, Images
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.store import Store
from emrbox.faults.book import FaultBook
from emrbox.faults.calls import CallFaults
from emrbox.front.control import Control
from emrbox.front.own_api import OwnApi
from emrbox.front.server import create_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMIN = ("AKIA" + "A" * 16, "admin-canary")


class Endpoint:
    admin_secret = ADMIN[1]

    def __init__(self, folder: Path, emr: EmrService) -> None:
        self._clients: list[Any] = []
        self.log = folder / "log" / "calls.jsonl"
        self._listening = listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        repository = folder / "rpm"
        repository.mkdir()
        (repository / "repomd.xml").write_text("<repomd/>")
        config = BoxConfig(
            home=folder,
            port=listening.getsockname()[1],
            network=IPv4Network("10.213.0.0/22"),
            admin_access_key_id=ADMIN[0],
            admin_secret_access_key=ADMIN[1],
            images=Images(base=folder, releases={}, rpm_repository=repository),
        )
        faults, own = FaultBook(), OwnApi()
        Control(Hollow(), faults, Accounts([])).add_to(own)
        self._server = create_server(config, emr, AthenaService(self.url), own, hook=CallFaults(faults))
        self.application = self._server.application
        self._thread = threading.Thread(target=self._server.serve, args=([listening],), daemon=True)
        self._thread.start()

    def client(self, service: str, key: str = ADMIN[0], secret: str = ADMIN[1]) -> Any:
        client = boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        self._clients.append(client)
        return client

    def fetch(
        self, method: str, path: str, headers: Any = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._server.shutdown()
        self._thread.join(60)
        self._listening.close()


@pytest.fixture
def empty_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS, whatever AWS settings the caller's shell has."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    monkeypatch.setattr(moto.settings, "S3_IGNORE_SUBDOMAIN_BUCKETNAME", False)
    moto_api_backend.reset()
    yield
    moto_api_backend.reset()


@pytest.fixture
def emr() -> EmrService:
    """EMR without clusters."""
    return EmrService(
        Store(SystemClock(), lambda _: pytest.fail("no cluster is launched here"), lambda name: name)
    )


@pytest.fixture
def endpoint(tmp_path: Path, emr: EmrService, empty_moto: None) -> Iterator[Endpoint]:  # noqa: ARG001  its effect is wanted
    running = Endpoint(tmp_path, emr)
    yield running
    running.stop()
