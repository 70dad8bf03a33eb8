"""Text and documents as they can safely be printed.

Logs, tags, messages and ledgers hold text that others wrote. A terminal would obey control characters in it
and bidirectional controls would change what a line seems to say, so they are shown as escapes.
"""

from __future__ import annotations

import re
from typing import Any

# Unicode's categories Cc, Cf, Cs, Zl and Zp, without newline and tab; a test compares them with unicodedata.
_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_UNSEEN}]")
_IN_LINE = re.compile(f"[\n{_UNSEEN}]")


def _escape(match: re.Match[str]) -> str:
    # Python's own notation: \x1b, \u202e, \U000e0001, \n.
    return match[0].encode("unicode_escape").decode("ascii")


def line_of(text: str) -> str:
    """Return text as one line that is safe on a terminal; a newline is shown as an escape, too."""
    return _IN_LINE.sub(_escape, text)


def text_of(text: str) -> str:
    """Return text of several lines that is safe on a terminal; newlines and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def json_of(document: Any) -> str:
    """Return a document as one line of JSON in ASCII: safe on a terminal and in any locale.

    JSON has no NaN and no infinity; both become null.
    """
    import json  # noqa: PLC0415  # --help needs neither of the two

    import msgspec  # noqa: PLC0415

    plain = msgspec.to_builtins(document)
    try:
        line = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(plain), parse_constant=lambda _: None)
        line = json.dumps(finite, separators=(",", ":"))
    return line.replace("\x7f", "\\u007f")
