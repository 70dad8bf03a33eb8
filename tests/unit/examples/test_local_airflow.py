"""The files and processes of the local Airflow: who can read its secrets, and that nothing of it is left."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from airflow_releases import RELEASES, Release
from airflow_settings import USER, Home
from child_process import ChildProcess
from leftovers import end_processes, processes_in, processes_with
from local_airflow import LocalAirflow
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

every_release = pytest.mark.parametrize("release", RELEASES.values(), ids=lambda release: release.name)
ODD_NAME = "100% of $HOME and ${url}"
VARIABLE = "TEST_OF_LEFTOVERS"
SLEEPS = "import time; print('begun', flush=True); time.sleep(600)"
# As above, and deaf to SIGTERM.
REFUSES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"


def home(folder: Path) -> Home:
    folder.mkdir()
    return Home(folder, folder / "dags", folder / "plugins", 8080)


@every_release
def test_only_the_owner_can_read_the_settings_and_passwords(release: Release, tmp_path: Path) -> None:
    made = home(tmp_path / "home")
    made.write(release, "airflow:secret@127.0.0.1:5432/airflow", {})
    files = [path for path in made.folder.iterdir() if path.is_file()]
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert json.loads((made.folder / "passwords.json").read_text()) == {USER: made.password}


@every_release
def test_settings_hold_the_names_of_folders_as_they_are(release: Release, tmp_path: Path) -> None:
    made = home(tmp_path / ODD_NAME)
    made.write(release, "airflow:secret@127.0.0.1:5432/airflow", {"core": {"parallelism": "2"}})
    # Airflow reads the file in this way.
    config = configparser.ConfigParser()
    config.read(made.folder / "airflow.cfg")
    assert config["core"]["dags_folder"] == str(made.dags)
    assert config["core"]["parallelism"] == "2"
    assert config["core"]["executor"] == "LocalExecutor"


@every_release
def test_tasks_get_nothing_from_the_shell_that_started_airflow(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "ANSIBLE_CONFIG", "KILN_ENV", "AIRFLOW__CORE__EXECUTOR"):
        monkeypatch.setenv(name, "of the shell")
    airflow = LocalAirflow(release, home(tmp_path / "home"))
    assert "of the shell" not in airflow.environment.values()
    assert airflow.environment["AIRFLOW_HOME"] == str(airflow.home.folder)


@pytest.mark.processes
@pytest.mark.parametrize("program", [SLEEPS, REFUSES], ids=["ends", "refuses"])
def test_what_carries_a_variable_is_found_and_ended(program: str, tmp_path: Path) -> None:
    environment = {**os.environ, VARIABLE: str(tmp_path), "AIRFLOW_CTX_DAG_ID": "x"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert processes_with("AIRFLOW_CTX_DAG_ID", VARIABLE, tmp_path) == [child.pid]
        assert processes_with("AIRFLOW_CTX_DAG_ID", VARIABLE, tmp_path / "other") == []
        assert processes_with("OTHER", VARIABLE, tmp_path) == []
        end_processes(lambda: [child.pid] if child.poll() is None else [], 0.5)
        assert child.wait(60) != 0


@pytest.mark.processes
def test_a_child_process_ends_on_request_and_starts_again(tmp_path: Path) -> None:
    child = ChildProcess("sleeper", [sys.executable, "-c", SLEEPS], os.environ, tmp_path / "log")
    with pytest.raises(LookupError, match="sleeper"):
        assert child.pid
    child.start()
    first = child.pid
    child.end()
    child.wait(60)
    assert not child.is_running
    child.start()
    assert child.is_running
    assert child.pid != first
    child.kill()
    assert not child.is_running


@pytest.mark.processes
def test_what_a_killed_program_has_started_is_found_without_its_environment(tmp_path: Path) -> None:
    worker = f"env -i {sys.executable} -c {shlex.quote(REFUSES)} & wait"
    program = ChildProcess("scheduler", ["sh", "-c", worker], os.environ, tmp_path / "log")
    program.start()
    wait_until(lambda: "begun" in program.log.read_text())
    program.kill()
    (left,) = processes_in(program.sessions)
    end_processes(lambda: processes_in(program.sessions), 0.1)
    wait_until(lambda: processes_in(program.sessions) == [])
    assert left != program.pid
