"""What becomes of the lines of logs that are followed: shown on a terminal, or sent elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kiln.display import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence


class Screen(Protocol):
    """Takes the lines of several logs, each line once and in the order of its log."""

    def lines(self, step: str, key: str, lines: Sequence[str], *, is_only_step: bool) -> None:
        """Take lines of a log; `key` is its name below the cluster's logs in S3, `step` the step's."""

    def note(self, text: str) -> None:
        """Take a line about the logs, such as the end of a step."""

    def turn(self) -> None:
        """Do what is due; called twice a second."""


class TerminalScreen:
    """Prints lines on stdout, and on stderr which log they are of. Of several steps each line says whose."""

    def __init__(self) -> None:
        self._shown = ("", "")

    def lines(self, step: str, key: str, lines: Sequence[str], *, is_only_step: bool) -> None:
        """Print lines of a log."""
        if self._shown != (step, key):
            self._shown = (step, key)
            terminal.err(f"==> {key} <==")
        prefix = "" if is_only_step else f"{step} | "
        terminal.out_text("".join(f"{prefix}{line}\n" for line in lines))

    def note(self, text: str) -> None:
        """Print a line on stderr."""
        terminal.err(text)

    def turn(self) -> None:
        """Do nothing: lines are printed at once."""
