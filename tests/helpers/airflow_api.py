"""Airflow's stable REST API, of Airflow 3 and of 2.11, as its user interface and its users call it."""

from __future__ import annotations

import ast
import json
import re
import time
from http import HTTPStatus
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import urllib3
from airflow_settings import USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local_airflow import LocalAirflow

HANG_SECONDS, BACKFILL_SECONDS = 600.0, 1100.0  # deadlines for what hangs, not for what is slow
POLL_SECONDS = 1.5
ENDED = frozenset({"success", "failed"})
_BEFORE_A_LINE = re.compile(r"^\[[^\]]+\] \{[^}]+\} [A-Z]+ - ", re.MULTILINE)


class ApiError(Exception):
    """The API refused a call; the message has its answer."""


class AirflowApi:
    """What somebody does in the user interface: trigger, clear, mark, look."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self._airflow, self._url = airflow, airflow.home.url
        self._api, self._password = airflow.release.api, airflow.home.password
        self.is_2 = airflow.release.name == "2"
        self._headers = self._login()
        # The states of all runs, which those that wait share: each call costs the API server 10 ms.
        self._lock, self._asked_at = RLock(), float("-inf")
        self._run_states: dict[tuple[str, str], str] = {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make one call below the API's address; return its document."""
        if method == "GET":
            return self._call(method, path)
        with self._lock:
            self._asked_at = float("-inf")
            return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = urllib3.request(
            method,
            f"{self._url}{self._api}{path}",
            headers={**self._headers, "Content-Type": "application/json", "Accept": "application/json"},
            body=None if body is None else json.dumps(body),
            timeout=60,
            retries=False,
        )
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(f"{method} {path}: {answer.status} {answer.data.decode()[:2000]}")
        return json.loads(answer.data) if answer.data else None

    def wait_for_dags(self, *names: str) -> None:
        """Wait until the DAGs are there."""
        self.until(
            lambda: set(names) <= {dag["dag_id"] for dag in self.call("GET", "/dags?limit=100")["dags"]}
        )

    def switch_on(self, *names: str) -> None:
        """Let DAGs run. The last interval of one with a schedule begins."""
        for name in names:
            self.call("PATCH", f"/dags/{name}", {"is_paused": False})

    def make_pool(self, name: str, slots: int) -> None:
        """Make a pool. By the API: each command of Airflow's takes three seconds to start."""
        body = {"name": name, "slots": slots, "description": "tests", "include_deferred": False}
        self.call("POST", "/pools", body)

    def import_errors(self) -> list[str]:
        """Return why files of DAGs could not be read."""
        return [error["stack_trace"] for error in self.call("GET", "/importErrors")["import_errors"]]

    def trigger(self, dag: str, run: str, conf: dict[str, Any] | None = None, date: str | None = None) -> str:
        """Trigger a DAG as with the button; return the run's id."""
        body: dict[str, Any] = {"dag_run_id": run, "conf": conf or {}}
        if date or not self.is_2:
            body["logical_date"] = date
        return str(self.call("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag: str, run: str) -> str:
        """Return the state of a DAG run, its colour, as it was at most POLL_SECONDS ago."""
        with self._lock:
            if time.monotonic() - self._asked_at >= POLL_SECONDS:
                found = self.call("GET", "/dags/~/dagRuns?limit=100")["dag_runs"]
                self._run_states = {(one["dag_id"], one["dag_run_id"]): one["state"] for one in found}
                self._asked_at = time.monotonic()
            return self._run_states[dag, run]

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a run by their ids."""
        found = self.call("GET", f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances")["task_instances"]
        return {one["task_id"]: one for one in found}

    def states(self, dag: str, run: str) -> dict[str, str | None]:
        """Return the states of a run's tasks by their ids."""
        return {name: one["state"] for name, one in self.tasks(dag, run).items()}

    def wait_for_run(self, dag: str, run: str, seconds: float = HANG_SECONDS) -> str:
        """Wait until a DAG run has ended; return its state."""
        self.until(lambda: self.run_state(dag, run) in ENDED, seconds, lambda: self.states(dag, run))
        return self.run_state(dag, run)

    def wait_for_task(self, dag: str, run: str, task: str, states: Iterable[str]) -> str:
        """Wait until a task is in one of the states; return it."""
        wanted = set(states)
        self.until(
            lambda: self.states(dag, run).get(task) in wanted, HANG_SECONDS, lambda: self.states(dag, run)
        )
        return str(self.states(dag, run)[task])

    def set_state(self, dag: str, run: str, task: str, state: str) -> None:
        """Mark a task as success or failed, as with the button; a task that runs is killed."""
        path = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}"
        self.call("PATCH", path, {"new_state": state, **({"dry_run": False} if self.is_2 else {})})

    def clear(self, dag: str, run: str, *tasks: str) -> None:
        """Clear tasks of a run, and nothing downstream."""
        body = {
            "dag_run_id": run,
            "task_ids": list(tasks),
            "dry_run": False,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.call("POST", f"/dags/{dag}/clearTaskInstances", body)

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Return all runs of a DAG."""
        return list(self.call("GET", f"/dags/{dag}/dagRuns?limit=100")["dag_runs"])

    def running(self) -> list[tuple[str, str]]:
        """Return the runs that have not ended: the DAG and the run's id of each."""
        found = self.call("GET", "/dags/~/dagRuns?state=running&state=queued&limit=100")["dag_runs"]
        return [(run["dag_id"], run["dag_run_id"]) for run in found]

    def versions(self, dag: str) -> int:
        """Return how many versions of a DAG Airflow 3 has seen."""
        return int(self.call("GET", f"/dags/{dag}/dagVersions")["total_entries"])

    def begin_backfill(self, dag: str, first: str, last: str, at_once: int) -> None:
        """Begin to run a paused DAG for each day of a time that is over."""
        if self.is_2:  # only its command line has backfills, with the DAG's own limit of runs at once
            command = ("dags", "backfill", dag, "--start-date", first, "--end-date", last)
            Thread(target=self._airflow.command, args=command, daemon=True).start()
            return
        days = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T23:59:59Z"}
        self.call("POST", "/backfills", {"dag_id": dag, **days, "max_active_runs": at_once})
        self.switch_on(dag)

    def scheduled(self, dag: str) -> str:
        """Return the id of the only run of a DAG, which its schedule has begun."""
        self.until(lambda: bool(self.runs(dag)))
        (run,) = self.runs(dag)
        return str(run["dag_run_id"])

    def wait_for_runs(self, dag: str, count: int) -> list[dict[str, Any]]:
        """Wait until a DAG has so many runs, and all of them have ended; return them."""
        self.until(
            lambda: [run["state"] in ENDED for run in self.runs(dag)] == [True] * count,
            BACKFILL_SECONDS,
            lambda: [(run["dag_run_id"], run["state"]) for run in self.runs(dag)],
        )
        return self.runs(dag)

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        """Return the log of one attempt of a task, a line for each event."""
        path = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/logs/{attempt}?"
        content = self.call("GET", path + urlencode({"full_content": "true"}))["content"]
        if isinstance(content, str):
            # Airflow 2: the text of a list of hosts and what each has; its own words before each line.
            return "".join(_BEFORE_A_LINE.sub("", text) for _, text in ast.literal_eval(content))
        return "\n".join(
            str(line.get("event", line)) if isinstance(line, dict) else str(line) for line in content
        )

    def links(self, dag: str, run: str, task: str) -> dict[str, str | None]:
        """Return the addresses that a task's page has buttons for."""
        path = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/links"
        found = self.call("GET", path)
        return dict(found if self.is_2 else found["extra_links"])

    def result(self, dag: str, run: str, task: str) -> Any:
        """Return what a task has left for others: its XCom."""
        path = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/xcomEntries/return_value"
        value = self.call("GET", path + ("?stringify=false" if self.is_2 else ""))["value"]
        return json.loads(value) if isinstance(value, str) else value

    def until(
        self,
        done: Callable[[], bool],
        seconds: float = HANG_SECONDS,
        explain: Callable[[], object] = lambda: "",
        every: float = POLL_SECONDS,
    ) -> None:
        """Return when `done` says so, asked again after `every` seconds; fail after `seconds` in all.

        `explain` returns what the failure shows.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"did not happen in {seconds:.0f} s: {explain()}")
            time.sleep(every)

    def _login(self) -> dict[str, str]:
        if self.is_2:
            return urllib3.make_headers(basic_auth=f"{USER}:{self._password}")
        answer = urllib3.request(
            "POST", f"{self._url}/auth/token", json={"username": USER, "password": self._password}
        )
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}
