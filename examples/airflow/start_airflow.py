"""`make airflow`: a real Airflow beside the local AWS, with the DAGs of this checkout.

Its database is new at each start, and everything ends with Ctrl-C. What it writes is below .kiln/airflow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading

from airflow_releases import AIRFLOW_3, RELEASES
from airflow_settings import USER, Home
from local_airflow import CHECKOUT, AirflowError, LocalAirflow
from postgresql import DatabaseError

FOLDER = CHECKOUT / ".kiln/airflow"
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
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700, parents=True)
    home = Home(FOLDER, CHECKOUT / "dags", FOLDER / "plugins", arguments.port)
    try:
        with LocalAirflow(RELEASES[arguments.release], home) as airflow:
            airflow.command("pools", "set", POOL, str(POOL_SLOTS), "Tasks of Kiln's DAGs")
            print(f"{home.url}  user {USER}, password {home.password}; Ctrl-C ends it", flush=True)
            ended.wait()
            print("airflow: ending; tasks that run end their steps and clusters", file=sys.stderr, flush=True)
    except (AirflowError, DatabaseError) as error:
        print(f"airflow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    sys.exit(main())
