"""The wheels of a lock file: uv says whether nodes could install it, pip fetches them to the control host.

What can be installed where is theirs to decide. Here is what they are asked, and their answers in one line.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path  # noqa: TC003  # msgspec reads the types of fields
from typing import TYPE_CHECKING

import msgspec

from kiln import printable
from kiln.errors import PreflightError, UsageError
from kiln.settings import lock_file
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = "roles/emr_node/files/fetch_wheels.sh"
_TOOLS = "requirements/nodes.txt"
_DEADLINE_SECONDS = 1800
_POLL_SECONDS = 0.2
# Amazon Linux 2023 has glibc 2.34; fetch_wheels.sh names the same to pip.
_GLIBC = "manylinux_2_34"
_NETWORK_FIX = "check the network, the index that pip and uv use, and the space in kiln_cache_dir"
# Words of uv (tests ask the locked version itself).
_NOT_LOCKED = re.compile(r"no trusted hash was provided for: `([^`]+)`")
_UNSOLVED = re.compile(r"cause: Because (.*), we can conclude that your requirements are unsatisfiable")
# Words of pip: a package whose file has another hash, and its line in the lock file.
_OTHER_HASH = re.compile(r"^ *(\S+==\S+) from .*\(line ([0-9]+)\)\):$", re.MULTILINE)


class Wheels(msgspec.Struct, frozen=True, kw_only=True):
    """The wheels of one Python environment of nodes. `requirements` is its lock file's path in `checkout`.

    A request to `stop` ends uv and pip.
    """

    hash: str
    python_version: str
    architecture: str
    requirements: str
    checkout: Path
    cache: Path
    stop: Stop = msgspec.field(default_factory=Stop)

    def file(self) -> Path:
        """Return the file with the wheels, the lock file and uv; fetched by hash unless the cache has it.

        Raises UsageError when nodes could not install the lock file, which names the packages, PreflightError
        when that cannot be known or the wheels cannot be fetched.
        """
        lock_file.check(self.checkout / self.requirements, self.requirements)
        target = self.cache / "wheels" / f"{self.hash}-uv.tar"
        if not target.is_file():
            self._resolve()
            self._fetch(target)
        return target

    def _resolve(self) -> None:
        """Let uv resolve the lock file for the nodes: it asks the index for what packages need, no wheels."""
        machine = ["--python-version", self.python_version, "--python-platform"]
        command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--quiet", "--color", "never"]
        command += [*machine, f"{self.architecture}-{_GLIBC}", "--python", sys.executable]
        command += ["--require-hashes", "--only-binary", ":all:"]
        with tempfile.TemporaryDirectory() as empty:
            # Nothing that this machine has installed counts.
            command += ["--target", f"{empty}/target", "-r", str(self.checkout / self.requirements)]
            finished = self._run(command, empty)
        if not finished.returncode:
            return
        unusable = self._unusable(" ".join(finished.stderr.split()))
        raise unusable or self._unknown("the index of Python packages cannot be asked for", finished.stderr)

    def _unusable(self, said: str) -> UsageError | None:
        """Return uv's answer as an error: a package that is not locked, or that nodes cannot install.

        None when it has no answer: no index, no uv.
        """
        if lacking := _NOT_LOCKED.search(said):
            problem = f"{self.requirements} does not lock {lacking[1]}, which one of its packages needs"
            return UsageError(problem, fix=lock_file.FIX)
        unsolved = _UNSOLVED.search(said)
        if not unsolved:
            return None
        text = printable.line_of(unsolved[1])[:400]
        nodes = f"nodes with Python {self.python_version} on {self.architecture} cannot install it"
        return UsageError(f"{self._place_of(text)}: {nodes}: {text}", fix=lock_file.FIX)

    def _place_of(self, text: str) -> str:
        """Return the lock file, with the line of the first package that `text` names by its version."""
        lines = (self.checkout / self.requirements).read_text().splitlines()
        for pinned in re.findall(r"\S+==[^\s,]+", text):
            for number, line in enumerate(lines, 1):
                if line.split(" ")[0] == pinned:
                    return f"{self.requirements}, line {number}"
        return self.requirements

    def _fetch(self, target: Path) -> None:
        machine = [self.python_version, self.architecture]
        lock, tools = self.checkout / self.requirements, self.checkout / _TOOLS
        command = ["bash", self.checkout / _SCRIPT, sys.executable, lock, *machine, target, tools]
        finished = self._run([str(word) for word in command], "/")
        if not finished.returncode:
            return
        if other := _OTHER_HASH.search(finished.stderr):
            problem = f"the wheel of {other[1]} has none of its hashes"
            raise UsageError(f"{self.requirements}, line {other[2]}: {problem}", fix=lock_file.FIX)
        raise self._unknown("the wheels cannot be fetched of", finished.stderr)

    def _unknown(self, problem: str, errors: str) -> PreflightError:
        said = [printable.line_of(line) for line in errors.splitlines() if line.strip()]
        # uv's first line says what failed, pip's last one.
        line = said[0] if said and said[0].startswith("error: ") else " ".join(said[-1:])
        return PreflightError(
            f"{problem} {self.requirements}: {line}", details=tuple(said[-10:]), fix=_NETWORK_FIX
        )

    def _run(self, command: Sequence[str], folder: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. A request to stop and the deadline end it with all that it started."""
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            child = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # Ctrl-C in a terminal is the driver's to handle.
                start_new_session=True,
            )
            try:
                self._wait(child)
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
            errors.seek(0)
            return subprocess.CompletedProcess(command, child.returncode, "", errors.read())

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        for _ in range(int(_DEADLINE_SECONDS / _POLL_SECONDS)):
            try:
                child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                self.stop.check()
            else:
                return
        problem = f"the wheels of {self.requirements} were not there after {_DEADLINE_SECONDS} s"
        raise PreflightError(problem, fix=_NETWORK_FIX)
