"""How long the phases of a command usually take: the median of the latest runs, by their ledgers."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from kiln.errors import KilnError
from kiln.identity import RUN_ID
from kiln.ledger import store
from kiln.ledger.schema import LedgerUnreadableError, decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.identity import Identity
    from kiln.ledger.schema import Phase, Run

# Of how many runs the median is taken, how many ledgers are read for that, and for how long.
_RUNS, _LEDGERS, _SECONDS = 10, 20, 20.0


class Usual(NamedTuple):
    """The median in seconds, and of how many runs; nothing is known when that is 0."""

    seconds: float = 0.0
    runs: int = 0


def usual(context: Context, state_uri: str, identity: Identity, phases: Sequence[str]) -> Usual:
    """Return how long these phases took from the first one's begin to the last one's end.

    Runs count in which each of them worked and ended well, other than this run. Nothing is raised: what
    cannot be read does not count.
    """
    bounded = context.within(_SECONDS)
    found: list[float] = []
    try:
        for run in _latest(bounded, state_uri, identity):
            seconds = seconds_of(run.phases, phases)
            found += [seconds] if seconds else []
            if len(found) >= _RUNS:
                break
    except KilnError:
        return Usual()
    return Usual(round(median(found), 1), len(found)) if found else Usual()


def _latest(context: Context, state_uri: str, identity: Identity) -> Iterator[Run]:
    prefix = store.folder(state_uri, identity.environment, identity.pipeline)
    listed = sorted(context.effects.list_objects(prefix), key=lambda one: one.modified_at, reverse=True)
    names = [(one.uri, one.uri.removeprefix(prefix).removesuffix(".json")) for one in listed]
    others = [uri for uri, name in names if RUN_ID.fullmatch(name) and name != identity.run_id]
    for uri in others[:_LEDGERS]:
        try:
            stored = context.effects.get_object(uri)
            run = decode(stored, uri) if stored else None
        except LedgerUnreadableError:
            continue
        if run is not None:
            yield run


def seconds_of(entries: Sequence[Phase], phases: Sequence[str]) -> float:
    """Return how long these phases took; 0 unless each of them worked and ended well."""
    latest = {one.name: one for one in entries if one.status == "ok" and one.changed and one.ended_at}
    if not phases or not latest.keys() >= set(phases):
        return 0.0
    try:
        ends = {name: datetime.fromisoformat(latest[name].ended_at) for name in phases}
        begins = [ends[name] - timedelta(seconds=latest[name].seconds) for name in phases]
        return max(0.0, (max(ends.values()) - min(begins)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
