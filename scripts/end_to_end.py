"""Run the end-to-end tests in two checkouts side by side, each with a local AWS of its own.

These tests end every cluster of their account and inject faults into all of it, so they cannot share one; and
they wait more than they work. The second checkout is a copy of this one that lasts as long as the tests.
Each file of tests is a pytest of its own, started by whichever checkout is free; its output is printed whole.
`make end_to_end` calls it. Arguments are passed on to pytest.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from checkout_copy import CHECKOUT, copy_checkout

_TESTS = "tests/end_to_end"
# They take longest: a file that begins last should be a short one.
_FIRST = (
    "daily_transform",
    "shared_cluster",
    "images",
    "diagnose",
    "whole_run",
    "task_by_task",
    "deploy_faults",
    "daily_runs",
    "rollback",
    "reaper",
    "killed_drivers",
    "new_pipeline_page",
)
# pytest's exit codes.
_INTERRUPTED, _NO_TEST_CHOSEN = 2, 5


def _files() -> list[str]:
    """Return the files of tests, the longest first."""
    order = {f"test_{name}.py": place for place, name in enumerate(_FIRST)}
    found = sorted((CHECKOUT / _TESTS).glob("test_*.py"), key=lambda one: order.get(one.name, len(order)))
    return [f"{_TESTS}/{one.name}" for one in found]


def _leave_out_the_others(files: queue.SimpleQueue[str]) -> None:
    with suppress(queue.Empty):
        while True:
            files.get_nowait()


class Lane(threading.Thread):
    """One checkout that runs one file of tests after the other."""

    def __init__(self, root: Path, files: queue.SimpleQueue[str], arguments: list[str]) -> None:
        super().__init__()
        self.failed: list[str] = []
        self._root, self._files, self._arguments = root, files, arguments
        self._emrbox = root / ".venv/bin/emrbox"

    def run(self) -> None:
        """Run tests until there are no more. The box stays between them, and ends unless it was there."""
        # A Python environment of its own: emrbox's box belongs to the checkout that it is installed from.
        ready = self._call(["scripts/setup"])
        if ready.returncode != 0:
            print(ready.stdout, flush=True)
            self.failed.append("scripts/setup")
            return
        was_up = self._call([self._emrbox, "status"]).returncode == 0
        if not was_up:
            self._call([self._emrbox, "up"])
        try:
            with suppress(queue.Empty):
                while True:
                    self._run(self._files.get_nowait())
        finally:
            if not was_up:
                self._call([self._emrbox, "down"])

    def _run(self, file: str) -> None:
        started = time.monotonic()
        python = self._root / ".venv/bin/python"
        done = self._call([python, "-m", "pytest", "-q", *self._arguments, file])
        print(f"{file} in {self._root}: {time.monotonic() - started:.0f} s\n{done.stdout}", flush=True)
        if done.returncode not in {0, _NO_TEST_CHOSEN}:
            self.failed.append(file)
        if done.returncode == _INTERRUPTED:
            _leave_out_the_others(self._files)

    def _call(self, command: list[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._root,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def main(arguments: list[str]) -> int:
    """Run all tests; return the exit code."""
    files: queue.SimpleQueue[str] = queue.SimpleQueue()
    for file in _files():
        files.put(file)
    with tempfile.TemporaryDirectory(prefix="kiln-end-to-end-") as folder:
        copy_checkout(Path(folder))
        # A test there may copy its checkout in turn, for which git must name its files.
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        lanes = [Lane(root, files, arguments) for root in (CHECKOUT, Path(folder))]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            # The tests have got it, too. Their boxes end before the second checkout is removed.
            _leave_out_the_others(files)
            for lane in lanes:
                lane.join()
    failed = [file for lane in lanes for file in lane.failed]
    print(f"end_to_end: failed: {', '.join(failed)}" if failed else "end_to_end: all passed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
