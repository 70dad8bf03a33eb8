"""The YARN applications of a step: found by what its client wrote, and killed by their ids."""

from __future__ import annotations

import os
import shlex
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fakes import FakeAws, VirtualClock

from kiln.aws.effects import Cluster, Instance, Step
from kiln.diagnosis import applications
from kiln.diagnosis.ssh import Ssh
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 21, tzinfo=UTC)
CLUSTER = Cluster(id="j-1", name="c", state="WAITING", created_at=AT, tags={})
STEP = Step(id="s-1", name="sd", state="CANCELLED", created_at=AT)
# What `yarn application -kill` says about each of them.
ANSWERS = {
    "application_1_0001": "Killed application application_1_0001",
    "application_1_0002": "Application application_1_0002 has already finished",
    "application_1_0003": "Application with id 'application_1_0003' doesn't exist in RM.",
}
YARN = """#!/bin/sh
echo "$3" >> "$ASKED"
case "$3" in
{cases}
esac
"""


@pytest.fixture
def master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs: ssh runs its script here, sudo does nothing, yarn answers by the table."""
    tools = tmp_path / "tools"
    tools.mkdir()
    cases = "\n".join(f"{name}) echo {shlex.quote(text)} ;;" for name, text in ANSWERS.items())
    programs = {
        "ssh": '#!/bin/bash\nexec bash -c "${@: -1}"\n',
        "sudo": '#!/bin/sh\nshift\nexec "$@"\n',
        "yarn": YARN.replace("{cases}", cases),
    }
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setattr(applications, "STEPS_FOLDER", str(tmp_path / "steps"))
    (tmp_path / "steps/s-1").mkdir(parents=True)
    return tmp_path


def kill(master: Path, *nodes: str) -> str:
    aws = FakeAws(VirtualClock())
    aws.nodes["j-1"] = [
        Instance(
            id=f"ci-{at}", ec2_instance_id="i-1", private_ip_address="10.0.0.5", group=kind, state="RUNNING"
        )
        for at, kind in enumerate(nodes or ("MASTER",))
    ]
    ssh = Ssh(user="hadoop", key_file="", known_hosts=KnownHosts(folder=master, cluster_id="known_hosts"))
    return applications.kill(aws, CLUSTER, STEP, ssh)


def asked(master: Path) -> list[str]:
    file = master / "asked"
    return file.read_text().split() if file.exists() else []


def test_each_submitted_application_is_killed_once_and_reported(master: Path) -> None:
    lines = [f"INFO Client: Submitted application {name}" for name in (*ANSWERS, "application_1_0001")]
    (master / "steps/s-1/stderr").write_text("\n".join(["noise", *lines, "noise"]))
    said = kill(master)
    assert said == "application_1_0001 was killed in YARN; application_1_0003 could not be killed in YARN"
    assert asked(master) == list(ANSWERS)


def test_logs_that_were_rotated_are_searched_too(master: Path) -> None:
    old = master / "steps/s-1/stderr.2026-11-21-07"
    old.write_text("Submitted application application_1_0001\n")
    subprocess.run(["gzip", old], check=True)
    (master / "steps/s-1/stderr").write_text("nothing\n")
    assert kill(master) == "application_1_0001 was killed in YARN"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "about application_1_0001",
        "Submitted application $(touch HARM)",
        "Submitted application application_1_; touch HARM",
        "Submitted application application_x_1\nSubmitted applications application_1_0001",
    ],
)
def test_what_is_no_submission_kills_nothing_and_runs_nothing(master: Path, text: str) -> None:
    (master / "steps/s-1/stderr").write_text(text)
    assert kill(master) == ""
    assert asked(master) == []
    assert list(master.rglob("HARM")) == []


def test_a_step_that_has_written_nothing_has_no_applications(master: Path) -> None:
    assert kill(master) == ""


def test_a_cluster_without_master_is_asked_nothing(master: Path) -> None:
    assert kill(master, "CORE") == ""


def test_a_master_that_does_not_answer_is_reported(master: Path) -> None:
    (master / "tools/ssh").write_text("#!/bin/sh\nexit 255\n")
    assert "were not killed" in kill(master)
