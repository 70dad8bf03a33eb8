"""A whole Airflow on this machine: PostgreSQL, API server, scheduler with LocalExecutor, triggerer."""

from __future__ import annotations

import os
import subprocess
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

import urllib3
from airflow_releases import API_SERVER, SCHEDULER
from airflow_settings import USER, free_port
from child_process import ChildProcess, dies_with_parent
from leftovers import end_processes, processes_in, processes_with
from postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_releases import Release
    from airflow_settings import Home

CHECKOUT = Path(__file__).resolve().parents[2]
# Airflow's own name for its folder; every process below it has the variable, tasks included.
_HOME = "AIRFLOW_HOME"
# Tasks take their settings from the checkout, not from the shell in which Airflow was started.
_NOT_PASSED_ON = ("AIRFLOW", "AWS_", "ANSIBLE_", "KILN_")
_POLL_SECONDS, _START_SECONDS, _STOP_SECONDS = 0.2, 180.0, 20.0
# A task gets as long to end its cluster as Airflow's own default allows (core.killed_task_cleanup_time).
_TASK_SECONDS = 60.0
# Workers whose scheduler was killed wait for work, also after a SIGTERM.
_WORKER_SECONDS = 2.0


class AirflowError(Exception):
    """Airflow could not be started; the message names the log file."""


class LocalAirflow:
    """One Airflow. `with LocalAirflow(…):` starts all of it and ends all of it."""

    def __init__(
        self,
        release: Release,
        home: Home,
        *,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet.

        `home.folder` must be new and empty. `settings` go into airflow.cfg, `variables` to all processes.
        """
        self.release, self.home = release, home
        self._settings = settings or {}
        self._bin = CHECKOUT / release.environment / "bin"
        self._database = PostgreSQL(home.folder / "database", free_port(), home.database_password)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
            "PATH": f"{self._bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            # The triggerer and Airflow's plugins import kiln_airflow by its name.
            "PYTHONPATH": str(CHECKOUT / "src"),
            "PYTHONWARNINGS": "ignore",  # Airflow's own, of what its next release removes
            **(variables or {}),
            _HOME: str(home.folder),
        }
        self.processes = {
            name: ChildProcess(
                name,
                [*dies_with_parent(), self._bin / "airflow", *arguments],
                self.environment,
                home.folder / f"{name}.log",
            )
            for name, arguments in release.processes.items()
        }

    def __enter__(self) -> Self:
        """Start it; on return the API answers. Raises AirflowError, DatabaseError."""
        try:
            self._database.start()
            self.home.write(self.release, self._database.address, self._settings)
            self.command("db", "migrate")
            if self.release.make_user:
                self._make_user()
            for process in self.processes.values():
                process.start()
            self._wait_for_api()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it: no new tasks first, then the tasks that run, then the rest."""
        for process in self.processes.values():
            if process.name != API_SERVER:
                process.end()
        # The scheduler waits for its tasks; each ends its step or its cluster as its pipeline says.
        end_processes(lambda: processes_with("AIRFLOW_CTX_DAG_ID", _HOME, self.home.folder), _TASK_SECONDS)
        for process in self.processes.values():
            process.end()
        for process in self.processes.values():
            process.wait(_STOP_SECONDS)
        # What a scheduler that was killed has left.
        end_processes(lambda: processes_with(_HOME, _HOME, self.home.folder), _STOP_SECONDS)
        sessions = {one for process in self.processes.values() for one in process.sessions}
        end_processes(lambda: processes_in(sessions), _WORKER_SECONDS)
        self._database.stop()

    def command(self, *arguments: str, given: str | None = None) -> str:
        """Run a command of `airflow` and return what it prints. `given` is its standard input."""
        done = subprocess.run(
            [self._bin / "airflow", *arguments],
            env=self.environment,
            input=given,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise AirflowError(f"airflow {arguments[0]} {arguments[1]} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def restart_scheduler(self) -> None:
        """Kill the scheduler as a crash does, without its workers and tasks, and start another one."""
        self.processes[SCHEDULER].kill()
        self.processes[SCHEDULER].start()

    def _make_user(self) -> None:
        # Without --password the command asks for it, twice: argv is seen by everybody.
        answer = f"{self.home.password}\n"
        self.command(*self.release.make_user, "--username", USER, given=answer * 2)

    def _wait_for_api(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            for process in self.processes.values():
                if not process.is_running:
                    raise AirflowError(f"the {process.name} has ended: {process.log}")
            if time.monotonic() > deadline:
                raise AirflowError(f"{self.home.url} does not answer: {self.processes[API_SERVER].log}")
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            answer = urllib3.request("GET", self.home.url + self.release.health, timeout=10, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == HTTPStatus.OK
