"""Folders for secrets: private, this process's own, gone with it, cleared after it was killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

from kiln import paths, private
from kiln.errors import PreflightError
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.fields import Model

CHECKOUT = Path(__file__).resolve().parents[2]
CANARY = "CANARY-4711-secret"


def python(code: str, **environment: str) -> list[str]:
    command = [sys.executable, "-c", f"from kiln import paths, private\nfrom pathlib import Path\n{code}"]
    env = os.environ | environment
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.splitlines()


def made(place: Path) -> Path:
    (line,) = python(f"path = private.temporary([Path({str(place)!r})])\nassert path.is_dir()\nprint(path)")
    return Path(line)


def test_a_temporary_folder_goes_with_its_process(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert path.is_relative_to(tmp_path / f"kiln-{os.geteuid()}")
    assert not path.exists()


def test_one_process_has_one_temporary_folder(tmp_path: Path) -> None:
    first = private.temporary([tmp_path])
    assert private.temporary([tmp_path]) == first
    assert {stat.S_IMODE(path.stat().st_mode) for path in (first, first.parent)} == {0o700}


def test_the_folder_of_a_living_process_stays(tmp_path: Path) -> None:
    mine = private.temporary([tmp_path])
    made(tmp_path)
    assert mine.is_dir()


def test_a_place_that_is_not_safe_is_passed_over(tmp_path: Path) -> None:
    for name in ("trap", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "trap" / f"kiln-{os.geteuid()}").symlink_to(tmp_path)
    found = private.temporary([tmp_path / "missing", tmp_path / "trap", tmp_path / "good"])
    assert found.is_relative_to(tmp_path / "good")
    with pytest.raises(OSError, match="missing"):
        private.temporary([tmp_path / "missing"])


def test_ansibles_secrets_lie_in_the_processs_own_folder(tmp_path: Path) -> None:
    environment = paths.clean_environment(tmp_path)
    folder = Path(environment["ANSIBLE_LOCAL_TEMP"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "ANSIBLE_REMOTE_TEMP" not in environment


@pytest.mark.processes
def test_what_sigkill_leaves_of_a_playbooks_secrets_is_gone_after_the_next_start(tmp_path: Path) -> None:
    """The copy module's content stands in a temporary file while its module waits for a FIFO."""
    os.mkfifo(tmp_path / "fifo")
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nread -r nothing <{tmp_path}/fifo\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    (tmp_path / "playbooks").mkdir()
    shutil.copytree(Path(__file__).parents[2] / "plugins/callback", tmp_path / "plugins/callback")
    (tmp_path / "playbooks/try.yml").write_text(f"""
- hosts: localhost
  gather_facts: false
  vars: {{ansible_connection: local, ansible_python_interpreter: {interpreter}}}
  tasks:
    - ansible.builtin.copy: {{content: {CANARY}, dest: {tmp_path}/never, mode: "0600"}}
""")
    (tmp_path / "inventory/local").mkdir(parents=True)
    (tmp_path / "inventory/local/hosts.yml").write_text("all: {hosts: {localhost: }}\n")
    driver = f"""
from pathlib import Path
from kiln import paths
from kiln.stop import Stop
from kiln.clock import SystemClock
from kiln.phases import Phase, Work
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.display.progress import Lines
root = Path({str(tmp_path)!r})
AnsibleRunner(
    root=root, inventory=root / "inventory/local", folder=paths.run_folder(root, "r1"),
    environment=paths.clean_environment(root), vault_password_file=root / "none",
).run(
    Phase("try", Work.PLAYBOOK, 13), [],
    Supervision(reporter=Lines(SystemClock(), {{}}), stop=Stop(), seconds=3600),
)
"""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(runtime)}
    child = subprocess.Popen([sys.executable, "-c", driver], env=environment)
    try:
        left = wait_until(lambda: [file for file in runtime.rglob("*") if holds_canary(file)])
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert any(file.exists() for file in left)
    wait_until(lambda: not uses(tmp_path))
    python(f"paths.clean_environment(Path({str(tmp_path)!r}))", XDG_RUNTIME_DIR=str(runtime))
    # The playbook itself has the canary in it here; in a deploy it comes from the vault.
    (tmp_path / "playbooks/try.yml").unlink()
    assert [file for file in tmp_path.rglob("*") if holds_canary(file)] == []


def holds_canary(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode) and CANARY in file.read_text(errors="replace")
    except OSError:
        return False


def uses(folder: Path) -> bool:
    """Return whether a process works on the playbooks of a folder."""
    found = False
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found |= str(folder).encode() in (entry / "cmdline").read_bytes()
            except OSError:
                continue
    return found


def test_a_user_without_home_gets_the_passwd_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = pwd.getpwuid(os.geteuid()).pw_dir
    for said in (None, "", "relative"):
        monkeypatch.delenv("HOME", raising=False) if said is None else monkeypatch.setenv("HOME", said)
        assert paths.clean_environment(tmp_path)["HOME"] == home
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert "XDG_CACHE_HOME" not in paths.clean_environment(tmp_path)

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(PreflightError, match="HOME is not set"):
        paths.clean_environment(tmp_path)


@pytest.mark.processes
def test_without_home_the_cache_is_not_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cache(Model, frozen=True, kw_only=True):
        kiln_cache_dir: str

    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    question = Question(root=CHECKOUT, environment="local", pipeline="model_building")
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert resolve.part(question, Cache).kiln_cache_dir == f"{home}/.cache/kiln"
