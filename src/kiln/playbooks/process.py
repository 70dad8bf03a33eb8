"""The process that runs one playbook through ansible-runner, and ends all that it started when it goes.

`python -m kiln.playbooks.process` reads one JSON document from stdin (see `Order`) and writes one JSON line
for each event to stdout. It asks the kernel for a signal when its driver dies, and to inherit orphans: no
worker of Ansible and no module outlives it.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kiln.paths import PROGRESS_VARIABLE
from kiln.playbooks.events import event_line
from kiln.playbooks.process_tree import end_descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAYING = threading.Lock()
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Order(TypedDict):
    """What to run. All paths are absolute; `log` gets Ansible's own output."""

    checkout: str
    playbook: str
    inventory: str
    arguments: list[str]
    folder: str
    log: str
    environment: dict[str, str]


def main() -> int:
    """Run the playbook; return ansible-playbook's exit code."""
    driver = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    cancelled = threading.Event()
    threading.Thread(target=_end_when, args=(cancelled,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != driver:
        return 1
    order: Order = json.loads(sys.stdin.read())
    try:
        return _run(order)
    finally:
        end_descendants(os.getpid())


def _end_when(cancelled: threading.Event) -> None:
    """End everything at once: a module that is about to launch a cluster must not get another second."""
    cancelled.wait()
    end_descendants(os.getpid())
    os._exit(128 + signal.SIGTERM)


def _run(order: Order) -> int:
    import ansible_runner  # noqa: PLC0415  # after the signals are set: it takes 60 ms

    with Path(order["log"]).open("a") as log, _progress(Path(order["folder"])) as pipe:
        Path(order["log"]).chmod(0o600)

        def handle(event: dict[str, Any]) -> bool:
            text = event.get("stdout")
            if text:
                log.write(text + "\n")
                log.flush()
            line = event_line(event)
            if line:
                _say(line)
            return False  # no file for each event

        runner = ansible_runner.run(
            private_data_dir=order["folder"],
            project_dir=order["checkout"],
            playbook=order["playbook"],
            inventory=order["inventory"],
            cmdline=shlex.join(order["arguments"]),
            envvars=order["environment"] | {PROGRESS_VARIABLE: str(pipe)},
            suppress_env_files=True,
            quiet=True,
            event_handler=handle,
            settings={"pexpect_timeout": 1, "idle_timeout": 0},
        )
    _say({"event": "end", "status": str(runner.status), "code": int(runner.rc)})
    return int(runner.rc)


@contextmanager
def _progress(folder: Path) -> Iterator[Path]:
    """Make a pipe whose lines are passed on: what an action sends while it works comes by no callback."""
    pipe = folder / "progress"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    # Open for writing too: it does not end with its first writer.
    stream = os.fdopen(os.open(pipe, os.O_RDWR | os.O_CLOEXEC), "r", encoding="utf-8", errors="replace")

    def pass_on() -> None:
        with suppress(ValueError, OSError):
            for line in stream:
                _pass_on(line)

    threading.Thread(target=pass_on, daemon=True).start()
    try:
        yield pipe
    finally:
        pipe.unlink(missing_ok=True)


def _pass_on(line: str) -> None:
    """Pass on a line of the action. Only this user can write into the pipe; what is no JSON is left out."""
    with suppress(ValueError, RecursionError):
        document = json.loads(line)
        if isinstance(document, dict) and document.get("event") == "progress":
            _say(document)


def _say(line: dict[str, Any]) -> None:
    with _SAYING:
        print(json.dumps(line), flush=True)  # noqa: T201  # the driver reads it


if __name__ == "__main__":
    sys.exit(main())
