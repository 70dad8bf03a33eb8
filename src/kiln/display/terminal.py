"""The two streams: results on stdout, everything for people on stderr. Libraries print nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kiln.printable import json_of, line_of, text_of

if TYPE_CHECKING:
    from typing import TextIO


def out(text: str) -> None:
    """Write a line of a command's answer."""
    _write(sys.stdout, line_of(text) + "\n")


def out_text(text: str) -> None:
    """Write text of several lines, at once."""
    _write(sys.stdout, text_of(text))
    sys.stdout.flush()


def out_json(document: Any) -> None:
    """Write one line of JSON, after everything that went to stderr."""
    sys.stderr.flush()
    sys.stdout.write(json_of(document) + "\n")
    sys.stdout.flush()


def err(text: str) -> None:
    """Write a line for people, at once."""
    _write(sys.stderr, line_of(text) + "\n")
    sys.stderr.flush()


def _write(stream: TextIO, text: str) -> None:
    """Write text that the stream's encoding may not have (a locale without UTF-8)."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
