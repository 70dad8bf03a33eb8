"""What every kind of item shares: how it failed, what it reports, how it calls other programs."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO, Union

    Item = dict[str, Any]
    StrPath = Union[str, os.PathLike[str]]

_MOST_LINES = 4
_MOST_SAID_BYTES = 4096
_CHUNK_BYTES = 1024 * 1024


class ItemError(Exception):
    """An item cannot be made what it should be; the message has the reason."""


class Outcome:
    """Whether an item was changed (in check mode: would be), and how, for --diff. Never a secret."""

    def __init__(self, *, changed: bool, diff: str = "") -> None:
        self.changed, self.diff = changed, diff


OK = Outcome(changed=False)


def run(command: list[str], *, shown: str = "", **options: Any) -> str:
    """Run a program and return its standard output. Raises ItemError with the end of what it said."""
    finished = finished_run(command, **options)
    if finished.returncode != 0:
        raise _failed(shown or command[0], finished.stderr or finished.stdout, finished.returncode)
    return str(finished.stdout)


def _failed(name: str, text: str, code: int) -> ItemError:
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return ItemError(f"{name}: {'; '.join(said[-_MOST_LINES:]) or f'exit code {code}'}")


@contextmanager
def fed(command: list[str]) -> Iterator[BinaryIO]:
    """Run a program beside a block that writes its standard input. Raises ItemError as `run` does."""
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = bytearray()
    # At once: it may say more than a pipe holds. Not into a file: it may say that the disk is full.
    reader = threading.Thread(target=_read_end, args=(child.stderr, said), daemon=True)
    reader.start()
    try:
        with suppress(BrokenPipeError):  # it says itself why it has ended
            yield child.stdin  # type: ignore[misc]  # PIPE
    finally:
        with suppress(BrokenPipeError):
            child.stdin.close()  # type: ignore[union-attr]  # PIPE
        reader.join()
        child.wait()
    if child.returncode != 0:
        raise _failed(command[0], said.decode(errors="replace"), child.returncode)


def _read_end(stream: BinaryIO, said: bytearray) -> None:
    with stream:
        while chunk := stream.read(_MOST_SAID_BYTES):
            said[:] = (said + chunk)[-_MOST_SAID_BYTES:]


def finished_run(command: list[str], *, given: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code is, with `given` as its standard input."""
    return subprocess.run(
        command,
        check=False,
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        **options,
    )


def digest_of(path: StrPath) -> str:
    """Return a file's SHA-256 in hex. hashlib.file_digest needs Python 3.11."""
    import hashlib  # most runs change nothing

    found = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def make_folder(path: str) -> None:
    """Make a folder that every user may read, and those above it. Its mode does not depend on the umask."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
    except FileExistsError:
        # Another program of kiln may be as far as this one.
        if not os.path.isdir(path):
            raise
    else:
        os.chmod(path, 0o755)  # noqa: S103  as it says


def save(folder: StrPath) -> None:
    """Put everything below a folder on the disk: a marker must not be there before what it stands for."""
    run(["sync", "-f", os.fspath(folder)])
