"""One Airflow for all tests of this folder: DAGs of this checkout, and of a copy with hollow clusters.

Runs begin before the first test and go on side by side; the tests name them by marks. Functions that wait for
a run and act upon it go on beside the tests, too; each may wait for what another one does.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from account import AWS_CONFIG, BUCKETS, LOCAL, PROFILE
from airflow_api import AirflowApi
from airflow_pipelines import (
    BACKFILLED,
    BESIDE_A_WAIT,
    BRIEFLY_HELD,
    DAILY,
    ONE_SLOT,
    PIPELINES,
    SCHEDULING,
    backfilled,
    days_before_today,
    last_interval,
)
from airflow_releases import AIRFLOW_3, RELEASES
from airflow_settings import Home, free_port
from airflow_world import POOL, AirflowWorld
from checkout_copy import CHECKOUT
from hollow_checkout import HollowCheckout, HollowPipeline, OwnPipeline
from local import make_local_account
from local_airflow import LocalAirflow
from local_world import MESSAGES, SEED
from message_sinks import certificate, http_sink, smtp_sink

from emrbox.pytest_plugin import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from message_sinks import HttpSink, SmtpSink

RELEASE, DAYS = "--airflow", "--backfill-days"
RUN_MARK, BACKFILL_MARK = "airflow_run", "airflow_backfill"
BESIDE_MARK = "airflow_beside"
EMRBOX = CHECKOUT / ".venv/bin/emrbox"
CONNECTION = json.dumps({"conn_type": "aws", "extra": {"profile_name": PROFILE}})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose the release of Airflow, and the days of a backfill (half a minute each)."""
    parser.addoption(RELEASE, choices=list(RELEASES), default=AIRFLOW_3.name, help="release of Airflow")
    parser.addoption(DAYS, type=int, default=3, help="days of the backfill")


@pytest.fixture(scope="session")
def days(request: pytest.FixtureRequest) -> list[str]:
    """Return the days of a backfill, the first one first."""
    return days_before_today(int(request.config.getoption(DAYS, 3)))


@pytest.fixture(scope="session")
def _emrbox_ends() -> Iterator[None]:
    """End this checkout's local AWS after the tests, unless it was there before."""
    was_up = subprocess.run([EMRBOX, "status"], check=False, capture_output=True).returncode == 0
    yield
    if not was_up:
        subprocess.run([EMRBOX, "down"], check=True)


@pytest.fixture(scope="session")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SmtpSink, HttpSink]]:
    """Servers on loopback that take mail (with STARTTLS) and posts, and the certificate of the first."""
    trusted = certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    with smtp_sink(trusted) as smtp, http_sink() as web:
        yield trusted, smtp, web


@pytest.fixture(scope="session")
def hollow(
    days: list[str], sinks: tuple[Path, SmtpSink, HttpSink], tmp_path_factory: pytest.TempPathFactory
) -> HollowCheckout:
    """Return the checkout whose pipelines run on hollow clusters and send messages to the sinks."""
    trusted, smtp, _ = sinks
    pipelines: dict[str, HollowPipeline | OwnPipeline] = {**PIPELINES, BACKFILLED: backfilled(days[0])}
    made = HollowCheckout(tmp_path_factory.mktemp("hollow"), LOCAL, pipelines, workers=True)
    (made.root / "mail.pem").write_bytes(trusted.read_bytes())
    mail = {"host": "127.0.0.1", "port": smtp.port, "ca_file": "mail.pem"}
    addresses = {"to": ["ops@example.com"], "sender": "kiln@example.com"}
    rows = [
        {"name": "ops", "kind": "mail", **mail, **addresses},
        {"name": "chat", "kind": "webhook", "url": "vault_chat_url"},
    ]
    made.set_for_all({"kiln_notifications": rows})
    return made


def _of_marks(tests: Iterable[pytest.Item], name: str) -> list[Any]:
    """Return the arguments of marks, each once. Those of whole modules, which take longest, come first."""
    found = {}
    for test in tests:
        for node, mark in test.iter_markers_with_node(name):
            found[id(mark)] = isinstance(node, pytest.Item), mark.args
    return [arguments for _, arguments in sorted(found.values(), key=itemgetter(0))]


@pytest.fixture(scope="session")
def world(
    request: pytest.FixtureRequest,
    days: list[str],
    _emrbox_ends: None,
    hollow: HollowCheckout,
    sinks: tuple[Path, SmtpSink, HttpSink],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowWorld]:
    """Start Airflow, and the runs of all tests."""
    release = RELEASES[request.config.getoption(RELEASE, AIRFLOW_3.name)]
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "real").symlink_to(CHECKOUT / "dags")
    (dags / "hollow").symlink_to(hollow.dags)
    home = Home(folder / "home", dags, folder / "plugins", free_port())
    home.folder.mkdir()
    beside = [done for (done,) in _of_marks(request.session.items, BESIDE_MARK)]
    # A thread for each: some wait for others.
    with ThreadPoolExecutor(2 + len(beside)) as threads:
        # Account and vault are made while Airflow starts.
        account = threads.submit(make_local_account, MESSAGES, SEED, last_interval(), {})
        vault = threads.submit(hollow.write_vault, {"vault_chat_url": sinks[2].url})
        # What DAGs offer first, and Airflow's own connection for the wait for objects in S3.
        variables = {
            "KILN_ENV": "local",
            "AWS_CONFIG_FILE": str(AWS_CONFIG),
            "AIRFLOW_CONN_AWS_DEFAULT": CONNECTION,
        }
        with LocalAirflow(release, home, settings=SCHEDULING[release.name], variables=variables) as airflow:
            api = AirflowApi(airflow)
            for name, slots in ((POOL, 8), (ONE_SLOT, 1), (BESIDE_A_WAIT, 1)):
                api.make_pool(name, slots)
            api.wait_for_dags(DAILY, *PIPELINES)
            assert api.import_errors() == []
            session, _ = account.result()
            vault.result()
            hollow.make_workers(AWS_CONFIG)
            # The longest of all runs comes first.
            api.switch_on(DAILY, *PIPELINES)
            runs = _of_marks(request.session.items, RUN_MARK)
            for run in runs:
                api.trigger(*run)
            for dag, at_once in _of_marks(request.session.items, BACKFILL_MARK):
                for day in days:
                    key = f"clicks/{day}/_SUCCESS"
                    session.client("s3").put_object(Bucket=BUCKETS["data_bucket"], Key=key, Body=b"")
                api.begin_backfill(dag, days[0], days[-1], at_once)
            box = Box(os.environ["AWS_ENDPOINT_URL"])
            kept = [(dag, run) for dag, run, *_ in runs if dag == BRIEFLY_HELD]
            made = AirflowWorld(
                airflow, api, box, session, session.client("emr"), hollow, *sinks[1:], before_clock=kept
            )
            all_are_there = Event()

            def act(done: Callable[[AirflowWorld], Any]) -> Any:
                all_are_there.wait()
                return done(made)

            made.beside.update({done: threads.submit(act, done) for done in beside})
            all_are_there.set()
            yield made
