"""A box's state on disk, by which other commands find it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.config import host_address
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "emrbox.box.process"  # what a box's first process runs, as `ps` shows it
_OF_ONE_BOX = ("nodes", "ended", "images", "layer", "event_logs", "aws", "box.json")
_PORT_FILE = "port"  # stays when the box ends
_MOST_PORT = 65_535


@dataclass(frozen=True)
class BoxState:
    """A box that was started. `pid` is its first process as the host sees it."""

    pid: int
    start_time: str  # of the process, so that a reused pid is not taken for the box
    boot_id: str
    endpoint: str
    port: int
    network: str
    interface: str

    @property
    def host_address(self) -> str:
        """The address from which this machine reaches the nodes."""
        return str(host_address(IPv4Network(self.network)))

    @property
    def is_alive(self) -> bool:
        """Whether that process is still there."""
        return self.boot_id == boot_id() and start_time(self.pid) == self.start_time


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks; None if it has ended or is a zombie."""
    try:
        # The second field, the program's name, may hold anything up to the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def load(home: Path) -> BoxState | None:
    """Return the box that was started last, alive or not."""
    try:
        return BoxState(**json.loads((home / "box.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def find_running(home: Path) -> BoxState | None:
    """Return the box that runs here, None if none does."""
    last = load(home)
    return last if last is not None and last.is_alive else None


def running(home: Path) -> BoxState:
    """Return the box that runs here; BoxError if none does."""
    found = find_running(home)
    if found is None:
        raise BoxError("not running: emrbox up")
    return found


def last_port(home: Path) -> int | None:
    """Return the port of the last box of this home, which the next one takes again if it is free."""
    try:
        port = int((home / _PORT_FILE).read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port <= _MOST_PORT else None


def strays(home: Path) -> list[int]:
    """Return the processes of a box of this home, whether or not its state can still be read.

    The folder of a running box may have been removed or damaged. Its nodes are not among them: they
    end with these.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if MODULE.encode() in words and os.fsencode(home) in words:
                found.append(int(entry.name))
    return found


def save(home: Path, state: BoxState) -> None:
    """Write the state in one step."""
    aside = home / "box.json.new"
    aside.write_text(json.dumps(asdict(state), indent=2) + "\n")
    aside.rename(home / "box.json")
    (home / _PORT_FILE).write_text(f"{state.port}\n")


def clean(home: Path) -> None:
    """Remove what a box that has ended left behind; logs stay."""
    for name in _OF_ONE_BOX:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the lock under which one command at a time starts or ends this box."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
