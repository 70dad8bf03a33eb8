"""Callbacks of Airflow: what they call, and with which environment."""

from __future__ import annotations

import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING

from kiln_airflow import callbacks

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_message_is_asked_for_without_what_only_airflow_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, said = tmp_path / "kiln", tmp_path / "said"
    script.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} >{said}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW_VAR_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "kept")
    task = SimpleNamespace(env={"KILN_SCRIPT": str(script), "KILN_PIPELINE": "p"})
    instance = SimpleNamespace(task=task, run_id="r1", task_id="sd", try_number=2, log_url="http://log")
    callbacks.failed({"ti": instance, "params": {"environment": "stage"}})
    words, *variables = said.read_text().splitlines()
    assert words == "notify p --env=stage --run-id=r1 --event=failed --task=sd --try=2 --log-url=http://log"
    assert "AIRFLOW_CTX_DAG_ID=kept" in variables
    assert not any("canary" in line for line in variables)
