"""Runs whose driver has died without a word: what it could not say, from the ledgers of the last day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from kiln.emr.states import Verdict
from kiln.errors import KilnError
from kiln.identity import RUN_ID, Identity
from kiln.ledger import drivers, store
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.aws.context import Context
    from kiln.ledger.schema import Driver, Run

# A dead driver writes nothing more: later sweeps need not read its ledger for ever.
_RECENT = timedelta(days=1)
# Each costs a call, in each sweep.
_MOST = 200


class Lost(NamedTuple):
    """A run of which nobody has said how it ended, and the driver that answered for the whole of it."""

    run: Identity
    ledger: Run
    driver: Driver


def find(context: Context, environment: str, state_uri: str, pipeline: str) -> Iterator[Lost]:
    """Yield the runs of a pipeline that were left by their driver. Raises what listing ledgers raises.

    A driver of single actions is not meant: who called it (Airflow) sees that it has died.
    """
    prefix = store.folder(state_uri, environment, pipeline)
    since = context.clock.now() - _RECENT
    listed = sorted(context.effects.list_objects(prefix), key=lambda one: one.modified_at, reverse=True)
    for stored in [one for one in listed if one.modified_at >= since][:_MOST]:
        name = stored.uri.removeprefix(prefix).removesuffix(".json")
        if RUN_ID.fullmatch(name):
            run = Identity(environment=environment, pipeline=pipeline, run_id=name)
            lost = _lost(Ledger(context.effects, context.clock, state_uri, run))
            if lost is not None:
                yield lost


def _lost(ledger: Ledger) -> Lost | None:
    try:
        run = ledger.read()
    except KilnError:
        return None
    now = ledger.aws_now()
    if run is None or run.verdict == Verdict.SUCCEEDED.value or drivers.alive(run, now):
        return None
    owners = [one for one in drivers.dead(run, now) if one.whole]
    return Lost(ledger.identity, run, max(owners, key=lambda one: one.started_at)) if owners else None
