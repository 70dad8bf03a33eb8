"""Why something failed, in a form that the terminal, the JSON result and the ledger share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step

    # Asked for the cause of a failed step; None when no log has one.
    Explain: TypeAlias = Callable[[Context, Cluster, Step], "Cause | None"]

# A first line stays readable on a terminal and in the subject of an alert.
_MOST_HEADLINE = 300
_SECRET = re.compile(
    r"(\b\w{0,40}(?:password|passwd|pwd|secret|token)\w{0,40}=)[^\s&;,'\"]{1,400}|(://[^\s:/@]{0,100}:)[^\s@/]{1,400}(?=@)",
    re.IGNORECASE,
)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """The cause of a failure.

    `kind` is one of kiln.diagnosis.known_causes. `headline` is one line, `advice` says what to change (may be
    empty), `lines` are for the screen: the part of a log that shows the cause. `address` is that log, empty
    when there is none; `notes` say which logs are damaged or were not read as a whole.
    """

    kind: str
    headline: str
    advice: str = ""
    lines: tuple[str, ...] = ()
    failure_class: FailureClass = FailureClass.USER_CODE
    address: str = ""
    notes: tuple[str, ...] = ()

    def summary(self) -> dict[str, str]:
        """Return what the JSON of `kiln run` and `kiln diagnose` has of it."""
        return {"kind": self.kind, "headline": self.headline, "advice": self.advice}


def masked(text: str) -> str:
    """Return text without the passwords that addresses and options in it carry: errors quote them."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)


def shortened(text: str) -> str:
    """Return text as one line, no longer than a headline may be."""
    line = masked(" ".join(text.splitlines()).strip())
    return line if len(line) <= _MOST_HEADLINE else f"{line[: _MOST_HEADLINE - 2]} …"
