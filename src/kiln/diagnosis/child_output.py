"""What another program prints, up to a number of bytes and a deadline: it may print without end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Output(NamedTuple):
    """What a program has printed; `is_cut`: it printed more than is read."""

    text: str
    is_cut: bool


def read(command: Sequence[str], most_bytes: int, seconds: float) -> Output | None:
    """Return the first bytes that a command prints on stdout; None when it fails or does not end in time.

    A command that prints more is ended there, with all that it started.
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    with child:
        body = _body(child, most_bytes, seconds)
    is_cut = len(body) > most_bytes
    if child.returncode != 0 and not is_cut:
        return None
    return Output(body[:most_bytes].decode(errors="replace"), is_cut)


def _body(child: subprocess.Popen[bytes], most_bytes: int, seconds: float) -> bytes:
    """Read one byte more than is wanted, if there is one, and end what then still runs."""
    assert child.stdout is not None  # noqa: S101  # PIPE
    deadline = threading.Timer(seconds, _end, (child,))
    deadline.start()
    try:
        body = child.stdout.read(most_bytes + 1)
        if len(body) <= most_bytes:
            # Without collecting it: until then its id, which _end uses, is no other process's.
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        return body
    finally:
        deadline.cancel()
        deadline.join()
        _end(child)
        child.wait()


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
