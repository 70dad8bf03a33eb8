"""Provision and the deploy after it are one playbook: where one phase ends and the other begins."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fakes import Silence

from kiln import phases
from kiln.ansible_modules.node_progress import Progress
from kiln.errors import InterruptedRunError, PlaybookError
from kiln.nodes.results import ItemResult
from kiln.paths import PROGRESS_VARIABLE
from kiln.playbooks.events import event_of
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.stop import Stop

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

# Prints the lines of its argument; at `wait` it goes on when the file of its name is there.
CHILD = """\
import json, pathlib, sys, time
for line in json.loads(sys.argv[1]):
    while "wait" in line and not pathlib.Path(line["wait"]).exists():
        time.sleep(0.01)
    print(json.dumps(line), flush=True)
sys.exit(int(sys.argv[2]))
"""
LABELS = ("packages", "environment", "release", "secrets")


def progress(*done: int, **more: Any) -> dict[str, Any]:
    return {"event": "progress", "done": dict(zip(LABELS, done, strict=True)), "total": 2} | more


@dataclass(kw_only=True)
class Scripted(AnsibleRunner):
    """Its playbook says what a test wants."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0
    started: list[str] = field(default_factory=list)
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[str]:
        assert arguments == ["-e", "{}"]
        self.started.append(name)
        command = [sys.executable, "-c", CHILD, json.dumps(self.lines), str(self.code)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.children.append(child)
        return child


@pytest.fixture
def playbooks(tmp_path: Path) -> Scripted:
    return Scripted(
        root=tmp_path, inventory=tmp_path, folder=tmp_path, environment={}, vault_password_file=tmp_path
    )


def run(playbooks: Scripted, phase: phases.Phase, reporter: Silence, **more: Any) -> bool:
    then = phases.DEPLOY if phase is phases.PROVISION else phases.STEP
    given: dict[str, Any] = {"reporter": reporter, "stop": Stop(), "seconds": 60, "followed_by": then}
    return playbooks.run(phase, ["-e", "{}"], Supervision(**(given | more)))


def test_provision_is_over_when_every_node_is_done_with_its_items(
    playbooks: Scripted, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    playbooks.lines = [
        progress(2, 1, 1, 0, changed=["release"]),
        progress(2, 2, 1, 0, changed=["environment"], lines=["environment: 2 nodes changed"]),
        progress(2, 2, 2, 2, lines=["release: 2 nodes changed"], wait=str(go_on)),
        {
            "event": "changed",
            "lines": ["environment: 2 nodes changed", "release: 2 nodes changed"],
            "nodes": {"a": {}},
        },
    ]
    reporter = Silence()
    assert run(playbooks, phases.PROVISION, reporter)
    assert reporter.lines == ["environment: 2 nodes changed"]
    go_on.touch()
    assert run(playbooks, phases.DEPLOY, reporter)
    assert reporter.lines == ["environment: 2 nodes changed", "release: 2 nodes changed"]
    assert reporter.notes[0] == "environment 1/2, release 1/2, secrets 0/2 nodes"
    assert playbooks.started == ["nodes"]


def test_each_phase_says_whether_it_has_changed_something_itself(playbooks: Scripted) -> None:
    playbooks.lines = [progress(2, 2, 0, 0, changed=["packages"]), progress(2, 2, 2, 2)]
    assert run(playbooks, phases.PROVISION, Silence())
    assert not run(playbooks, phases.DEPLOY, Silence())
    playbooks.lines = [progress(2, 2, 0, 0), progress(2, 2, 2, 2, changed=["secrets"])]
    assert not run(playbooks, phases.PROVISION, Silence())
    assert run(playbooks, phases.DEPLOY, Silence())


def test_a_node_that_fails_before_all_are_provisioned_fails_provision(playbooks: Scripted) -> None:
    failed = {"event": "failed", "message": "10.0.0.7: packages: no space left", "exit_code": 13}
    playbooks.lines, playbooks.code = [progress(2, 1, 1, 1), failed], 2
    with pytest.raises(PlaybookError, match=r"provision: 10\.0\.0\.7: packages: no space left"):
        run(playbooks, phases.PROVISION, Silence())
    playbooks.lines, playbooks.code = [progress(2, 2, 2, 2)], 0
    run(playbooks, phases.DEPLOY, Silence())
    assert playbooks.started == ["nodes", "deploy"]


def test_a_failure_after_that_fails_deploy(playbooks: Scripted) -> None:
    failed = {"event": "failed", "message": "10.0.0.7: release: no space left", "exit_code": 13}
    playbooks.lines, playbooks.code = [progress(2, 2, 0, 0), failed], 2
    run(playbooks, phases.PROVISION, Silence())
    with pytest.raises(PlaybookError, match=r"deploy: 10\.0\.0\.7: release: no space left"):
        run(playbooks, phases.DEPLOY, Silence())


def test_a_playbook_that_has_nothing_for_nodes_is_over_in_the_first_phase(playbooks: Scripted) -> None:
    playbooks.lines = [{"event": "result"}]
    assert not run(playbooks, phases.PROVISION, Silence())
    assert not run(playbooks, phases.DEPLOY, Silence())
    assert playbooks.started == ["nodes"]


def test_alone_each_is_its_own_playbook(playbooks: Scripted) -> None:
    playbooks.lines = [progress(2, 2, 0, 0)]
    run(playbooks, phases.PROVISION, Silence(), followed_by=phases.STEP)
    run(playbooks, phases.DEPLOY, Silence())
    assert playbooks.started == ["provision", "deploy"]


@pytest.mark.parametrize("ending", ["close", "launch"])
def test_a_deploy_that_nobody_waits_for_is_ended(playbooks: Scripted, tmp_path: Path, ending: str) -> None:
    playbooks.lines = [progress(2, 2, 0, 0), {"wait": str(tmp_path / "never")}]
    run(playbooks, phases.PROVISION, Silence())
    held = playbooks.children[0]
    assert held.poll() is None
    if ending == "close":
        playbooks.close()
    else:
        playbooks.lines = []
        run(playbooks, phases.LAUNCH, Silence())
    assert held.poll() is not None


def test_a_signal_ends_the_playbook_in_either_phase(playbooks: Scripted, tmp_path: Path) -> None:
    playbooks.lines = [progress(2, 2, 0, 0), {"wait": str(tmp_path / "never")}]
    run(playbooks, phases.PROVISION, Silence())
    stop = Stop()
    stop.request(2)
    with pytest.raises(InterruptedRunError):
        run(playbooks, phases.DEPLOY, Silence(), stop=stop)
    assert playbooks.children[0].poll() is not None


def test_the_action_sends_each_result_and_sums_up_an_item_when_all_nodes_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = tmp_path / "pipe"
    lines.touch()
    monkeypatch.setenv(PROGRESS_VARIABLE, str(lines))
    report = Progress(["packages"], 2)
    report("10.0.0.2", ItemResult(item="packages", state="changed", seconds=2.0))
    report("10.0.0.1", ItemResult(item="packages", state="ok", seconds=1.0))
    first, last = [event_of(line) for line in lines.read_text().splitlines()]
    assert (first.done, first.total, first.changed, first.lines) == ({"packages": 1}, 2, ("packages",), ())
    assert (last.done, last.changed) == ({"packages": 2}, ())
    assert last.lines == (
        "packages: 1 node changed (10.0.0.2), 1 node ok (10.0.0.1), slowest 10.0.0.2 2.0 s",
    )


def test_without_a_driver_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    Progress(["packages"], 1)("10.0.0.1", ItemResult(item="packages", state="ok"))
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "gone"))
    Progress(["packages"], 1)("10.0.0.1", ItemResult(item="packages", state="ok"))
