"""An occasion for a message: the facts about a run, and the events by which rows may ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from kiln.identity import Identity


class Choice(NamedTuple):
    """An event, and the key by which it is sent at most once to each row."""

    event: str
    key: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says; an empty value is left out. All texts are data, whoever wrote them.

    `what` is the run, or the part of it. `seconds` is how long that took, `usual_seconds` the median of
    `usual_runs` earlier ones. `cause` is the reason in a line or a few, `details` are further lines.
    """

    identity: Identity
    what: str
    task: str = ""
    cause: tuple[str, ...] = ()
    phase: str = ""
    exit_code: str = ""
    failure_class: str = ""
    fix: str = ""
    details: tuple[str, ...] = ()
    cluster_id: str = ""
    cluster_state: str = ""
    held_until: str = ""
    seconds: float = 0.0
    usual_seconds: float = 0.0
    usual_runs: int = 0
    commands: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


class Occasion(NamedTuple):
    """Facts, and the events that they are, the most specific first: a row gets the first that it asks for."""

    choices: tuple[Choice, ...]
    facts: Facts
