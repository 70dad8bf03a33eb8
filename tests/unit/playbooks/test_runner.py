"""Real playbooks in their own process: what is reported, how failures read, nothing outlives its driver."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import Silence

from kiln import paths
from kiln.errors import DeadlineError, InterruptedRunError, PlaybookError
from kiln.exit_codes import ExitCode
from kiln.phases import Phase, Work
from kiln.playbooks.failures import failure_of
from kiln.playbooks.process_tree import descendants
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.processes

CHECKOUT = Path(__file__).resolve().parents[3]
TRY = Phase("try", Work.PLAYBOOK, ExitCode.PROVISION)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("playbooks", "inventory/local"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(CHECKOUT / "plugins/callback", tmp_path / "plugins/callback")
    (tmp_path / "ansible.cfg").write_text("[defaults]\ngathering = explicit\n")
    (tmp_path / "inventory/local/hosts.yml").write_text(
        "all: {hosts: {localhost: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n"
    )
    return tmp_path


def runner(root: Path, tasks: str) -> AnsibleRunner:
    play = "- hosts: localhost\n  tasks:\n" + textwrap.indent(textwrap.dedent(tasks).strip(), "    ") + "\n"
    (root / "playbooks/try.yml").write_text(play)
    return AnsibleRunner(
        root=root,
        inventory=root / "inventory/local",
        folder=root / ".kiln/runs/r1",
        environment=paths.clean_environment(root),
        vault_password_file=root / "none",
    )


def supervised(reporter: Silence, *, stop: Stop, seconds: float = 3600, **more: Any) -> Supervision:
    return Supervision(reporter=reporter, stop=stop, seconds=seconds, **more)


def run(playbooks: AnsibleRunner, stop: Stop | None = None) -> list[str]:
    reported = Silence()
    playbooks.run(TRY, ["-e", '{"word": "it\'s"}'], supervised(reported, stop=stop or Stop()))
    return reported.lines


def test_only_changes_are_reported_and_all_is_in_the_log(root: Path) -> None:
    playbooks = runner(
        root,
        """
        - name: Say a word
          ansible.builtin.debug: {msg: "{{ word }}"}
        - name: Make a file
          ansible.builtin.copy: {content: x, dest: "{{ playbook_dir }}/x", mode: "0600"}
        """,
    )
    assert run(playbooks) == ["localhost: Make a file"]
    assert run(playbooks) == []
    assert "it's" in playbooks.log_file("try").read_text()


def test_host_keys_of_nodes_are_checked(root: Path) -> None:
    playbooks = runner(
        root,
        """
        - name: Make a file
          ansible.builtin.copy:
            content: "{{ lookup('ansible.builtin.config', 'HOST_KEY_CHECKING') }}"
            dest: "{{ playbook_dir }}/checking"
            mode: "0600"
        """,
    )
    run(playbooks)
    assert (root / "playbooks/checking").read_text() == "True"


def test_a_failed_task_is_one_line_with_task_host_and_message(root: Path) -> None:
    playbooks = runner(
        root,
        """
        - name: Never mind
          ansible.builtin.fail: {msg: expected}
          ignore_errors: true
        - name: Install the packages
          ansible.builtin.fail: {msg: "no package jq\\nsecond line"}
        """,
    )
    with pytest.raises(PlaybookError) as error:
        run(playbooks)
    assert error.value.message == "try: task 'Install the packages' failed on localhost: no package jq"
    assert error.value.details == ("second line",)
    assert error.value.fix == "read .kiln/runs/r1/try.log"


def test_what_holds_secrets_is_not_repeated(root: Path) -> None:
    (root / "secret").write_text("canary-secret")
    playbooks = runner(
        root,
        f"""
        - name: Write the secret
          ansible.builtin.command: sh -c 'cat {root}/secret; exit 3'
          no_log: true
        """,
    )
    with pytest.raises(PlaybookError) as error:
        run(playbooks)
    assert "canary-secret" not in error.value.message
    everything = [file.read_text() for file in (root / ".kiln").rglob("*") if file.is_file()]
    assert not any("canary-secret" in text for text in everything)


@pytest.mark.parametrize(
    "answer",
    [
        {"exit_code": 0, "message": "done"},
        {"exit_code": 137, "message": "", "details": 5},
        {"exit_code": 11, "msg": "", "details": [1, 2], "fix": 7},
        {"results": 5, "cluster": "j-1ABC"},
    ],
)
def test_an_answer_that_a_node_has_made_up_is_a_failed_task(root: Path, answer: dict[str, Any]) -> None:
    (root / "library").mkdir()
    text = json.dumps(answer | {"failed": True})
    (root / "library/on_node.py").write_text(f"#!/usr/bin/python\nprint({text!r})\n")
    (root / "ansible.cfg").write_text("[defaults]\ngathering = explicit\nlibrary = library\n")
    with pytest.raises(PlaybookError, match=r"^try: task 'on_node' failed on localhost: ") as error:
        run(runner(root, "- on_node: {}"))
    assert error.value.exit_code is ExitCode.PROVISION
    assert error.value.fix == "read .kiln/runs/r1/try.log"


def test_a_log_that_is_not_text_is_shown_all_the_same(root: Path) -> None:
    log = root / "try.log"
    log.write_bytes(b"[ERROR]: \xff\n")
    assert failure_of(TRY, [], log, root).details == ("[ERROR]: \ufffd",)


class Sleeper:
    """A playbook whose task sleeps in a session of its own. No other test sleeps in this folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root
        self.tasks = f"""
            - name: Sleep in a session of its own
              ansible.builtin.command: {{cmd: setsid sleep 4242, chdir: {root}}}
            - name: Not reached
              ansible.builtin.fail: {{}}
            """

    def sleeps(self) -> bool:
        """Whether its process is there."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes() == b"sleep\x004242\x00" and (
                    entry / "cwd"
                ).readlink() == self._folder:
                    return True
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180  # for what hangs, not for what is slow
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_signal_ends_the_playbook_with_all_that_it_started(root: Path) -> None:
    sleeper, stop = Sleeper(root), Stop()
    playbooks = runner(root, sleeper.tasks)

    def interrupt() -> None:
        if sleeper.sleeps():
            stop.request(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        playbooks.run(TRY, [], supervised(Silence(), stop=stop, tick=interrupt))
    wait_until(lambda: not sleeper.sleeps())


def test_a_playbook_whose_time_is_over_ends_with_all_that_it_started(root: Path) -> None:
    sleeper = Sleeper(root)
    playbooks = runner(root, sleeper.tasks)
    with pytest.raises(DeadlineError, match="try was stopped"):
        playbooks.run(TRY, [], supervised(Silence(), stop=Stop(), seconds=0.5))
    wait_until(lambda: not sleeper.sleeps())


def test_a_cluster_is_known_to_the_driver_as_soon_as_a_task_has_launched_it(root: Path) -> None:
    (root / "library").mkdir()
    (root / "library/emr_cluster.py").write_text(
        "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"
        "m = AnsibleModule(argument_spec={'fails': {'type': 'bool'}, 'id': {'type': 'str'}})\n"
        "m.fail_json(msg='x', cluster_id=m.params['id']) if m.params['fails'] else "
        "m.exit_json(changed=False, cluster={'id': m.params['id']})\n"
    )
    (root / "ansible.cfg").write_text("[defaults]\ngathering = explicit\nlibrary = library\n")
    tasks = "- emr_cluster: {fails: false, id: j-1ABC}\n- emr_cluster: {fails: false, id: 'j-1; x'}\n"
    reported: list[str] = []
    playbooks = runner(root, tasks + "- emr_cluster: {fails: true, id: j-2ABC}\n")
    with pytest.raises(PlaybookError):
        playbooks.run(TRY, [], supervised(Silence(), stop=Stop(), on_cluster=reported.append))
    assert reported == ["j-1ABC", "j-2ABC"]


def test_kill_9_of_the_driver_ends_the_playbook_too(root: Path) -> None:
    sleeper = Sleeper(root)
    runner(root, sleeper.tasks)
    driver = f"""
import sys
from pathlib import Path
from kiln import paths
from kiln.stop import Stop
from kiln.clock import SystemClock
from kiln.phases import Phase, Work
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.display.progress import Lines
root = Path({str(root)!r})
AnsibleRunner(
    root=root, inventory=root / "inventory/local", folder=root / ".kiln/runs/r1",
    environment=paths.clean_environment(root), vault_password_file=root / "none",
).run(
    Phase("try", Work.PLAYBOOK, 13), [],
    Supervision(reporter=Lines(SystemClock(), {{}}), stop=Stop(), seconds=3600),
)
"""
    child = subprocess.Popen([sys.executable, "-c", driver])
    wait_until(sleeper.sleeps)
    below = descendants(child.pid)
    assert below
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_until(lambda: not sleeper.sleeps())
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
