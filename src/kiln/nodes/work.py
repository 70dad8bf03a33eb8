"""What a node gets, how long it may take, and what it may say."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # msgspec reads the types of fields
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kiln.nodes.environment_source import EnvironmentSource
    from kiln.nodes.results import ItemResult

MOST_LINE_BYTES = 1024 * 1024


def _nobody(_node: str, _result: ItemResult) -> None:
    """Tell nobody."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a node may take: to let ssh in, without a heartbeat, for everything."""

    connect_seconds: float = 60.0
    silence_seconds: float = 60.0
    seconds: float = 1800.0
    retry_seconds: float = 2.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What every node gets: the labels of the items, the definition, and the content that it may ask for."""

    labels: tuple[str, ...]
    definition: Mapping[str, Any]
    blobs: Mapping[str, bytes | Path]
    limits: Limits
    environment: EnvironmentSource | None = None
    # Called with a node's name and each of its results, as they come.
    on_item: Callable[[str, ItemResult], None] = _nobody


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a node may say. Unknown fields are ignored."""

    item: int | None = None
    state: Literal["ok", "changed", "failed"] = "ok"
    seconds: float = 0.0
    message: str = ""
    diff: str = ""
    need: str = ""
    got: int = 0
    ask: str = ""
    built: str = ""
    end: bool = False


class SilentError(Exception):
    """Nothing has come from a node for too long."""


class WrongAnswerError(Exception):
    """A node has said something that the program never says."""


def line_of(line: bytes) -> Line:
    """Return what a node has said. Raises WrongAnswerError."""
    try:
        return msgspec.json.decode(line, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WrongAnswerError(str(error)) from error
