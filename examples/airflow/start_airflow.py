"""`make airflow`: a real Airflow beside the local AWS, with the DAGs of this checkout.

Its database is new at each start, and everything ends with Ctrl-C. What it writes is below .kiln/airflow.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import threading
from typing import TYPE_CHECKING

from airflow_releases import AIRFLOW_3, RELEASES
from airflow_settings import USER, Home
from local_airflow import CHECKOUT, AirflowError, LocalAirflow
from postgresql import DatabaseError

if TYPE_CHECKING:
    from airflow_releases import Release

FOLDER = CHECKOUT / ".kiln/airflow"
LOCK = CHECKOUT / ".kiln/airflow.lock"
# What the DAGs of this checkout need: the pool that limits how many of their tasks work at once.
POOL, POOL_SLOTS = "kiln", 4
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Start it, print address and login, and wait for Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", choices=RELEASES, default=AIRFLOW_3.name, help="the release of Airflow")
    parser.add_argument("--port", type=int, default=8080, help="of the user interface, on loopback")
    arguments = parser.parse_args()
    ended = threading.Event()
    for sent in ENDING:
        signal.signal(sent, lambda *_: ended.set())
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("airflow: it runs in this checkout already; end that one with Ctrl-C", file=sys.stderr)
            return 1
        try:
            _run(RELEASES[arguments.release], arguments.port, ended)
        except (AirflowError, DatabaseError) as error:
            print(f"airflow: {error}", file=sys.stderr)
            return 1
    return 0


def _run(release: Release, port: int, ended: threading.Event) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    home = Home(FOLDER, CHECKOUT / "dags", FOLDER / "plugins", port)
    with LocalAirflow(release, home, variables={"KILN_ENV": "local"}) as airflow:
        airflow.command("pools", "set", POOL, str(POOL_SLOTS), "Tasks of Kiln's DAGs")
        print(f"{home.url}  user {USER}, password {home.password}; Ctrl-C ends it", flush=True)
        ended.wait()
        print("airflow: ending; tasks that run end their steps and clusters", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    sys.exit(main())
