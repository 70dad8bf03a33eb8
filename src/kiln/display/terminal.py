"""The two streams: results on stdout, everything for people on stderr. Libraries print nothing."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from kiln.printable import json_of, line_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def out(text: str) -> None:
    """Write a line of a command's answer."""
    _write(sys.stdout, line_of(text) + "\n")


def out_text(text: str) -> None:
    """Write text of several lines, at once."""
    _write(sys.stdout, text_of(text))
    sys.stdout.flush()


def out_json(document: Any) -> None:
    """Write one line of JSON, after everything that went to stderr.

    It is the last thing that a command does: a program that no longer reads it changes no exit code.
    """
    with _given_up_on(sys.stderr, OSError):
        sys.stderr.flush()
    with _given_up_on(sys.stdout, BrokenPipeError):
        sys.stdout.write(json_of(document) + "\n")
        sys.stdout.flush()


def err(text: str) -> None:
    """Write a line for people, at once. Never raises: a run goes on, and ends its cluster, unseen too."""
    with _given_up_on(sys.stderr, OSError):
        _write(sys.stderr, line_of(text) + "\n")
        sys.stderr.flush()


def err_stream() -> TextIO:
    """Return stderr for a library that writes to it itself: that never raises either."""
    return cast("TextIO", _Unfailing(sys.stderr))


class _Unfailing(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with _given_up_on(self._stream, OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with _given_up_on(self._stream, OSError):
            self._stream.flush()


@contextmanager
def _given_up_on(stream: TextIO, kind: type[OSError]) -> Iterator[None]:
    """Give a stream up when it cannot be written: its reader has gone, or its disk is full."""
    try:
        yield
    except kind:
        give_up(stream)


def give_up(stream: TextIO) -> None:
    """Let a stream lead nowhere from now on: what lies in its buffer would fail again when Python exits."""
    with suppress(OSError):  # a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _write(stream: TextIO, text: str) -> None:
    """Write text that the stream's encoding may not have (a locale without UTF-8)."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
