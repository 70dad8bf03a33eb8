"""Cancelling a run or one of its steps from outside: nothing more begins, what is active ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kiln.emr import cancelling, known_steps, lost_calls, states, steps
from kiln.errors import UsageError
from kiln.ledger import cancel_request
from kiln.ledger.schema import REFUSED
from kiln.settings.names import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.emr.cancelling import Kill
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was active, and how it is now. `problem` is why it has not ended."""

    name: str
    id: str
    cluster_id: str
    state: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """Cancels in one run. `kill` ends what a step has left in YARN, and says so."""

    context: Context
    ledger: Ledger
    kill: Kill

    def cancel(self, cluster_ids: Sequence[str], name: str | None) -> list[Cancelled]:
        """Cancel a step by its name, or the whole run (None); return the steps that were active.

        `cluster_ids` are the run's live clusters; none of them is ended. Raises UsageError for a step that
        the run does not have, LedgerUnreadableError, and what AWS's answers raise.
        """
        if name is None:
            cancel_request.ask(self.ledger)
        run = self.ledger.read()
        names = list(dict.fromkeys(entry.name for entry in run.steps)) if run else []
        if name is not None and name not in names:
            raise UsageError(
                f"the run has no step {shown(name)}{did_you_mean(name, names)}",
                fix=f"its steps: {', '.join(names)}" if names else "it has added none yet",
            )
        wanted = names if name is None else [name]
        return [one for id_ in cluster_ids if run for one in self._on_cluster(run, id_, wanted)]

    def _on_cluster(self, run: Run, cluster_id: str, names: Sequence[str]) -> list[Cancelled]:
        context = self.context
        ids = {step_id: one for one in names for step_id in self._ids(run, cluster_id, one)}
        seen = steps.seen_by_id(context, cluster_id, list(ids)) if ids else {}
        active = [step_id for step_id, step in seen.items() if step.state not in states.STEP_ENDED]
        if not active:
            return []
        cluster = context.effects.describe_cluster(cluster_id)
        outcome = cancelling.end(context, cluster, active, self.kill)
        found = []
        for step_id in active:
            now = outcome.seen.get(step_id, seen[step_id])
            steps.record(self.ledger, step_id, name=ids[step_id], cluster_id=cluster_id, seen=now)
            problem = "" if outcome.has_ended(step_id) else outcome.problem
            found.append(
                Cancelled(name=now.name, id=step_id, cluster_id=cluster_id, state=now.state, problem=problem)
            )
        return found

    def _ids(self, run: Run, cluster_id: str, name: str) -> list[str]:
        """Return the ids of a step's tries that may be active; one that is being added is waited for."""
        entries = list(steps.entries_of(run, name, cluster_id))
        found = [one.step_id for one in entries if one.step_id and one.state not in states.STEP_ENDED]
        newest = entries[0] if entries else None
        if newest is not None and newest.step_id is None and newest.state != REFUSED:
            age = self.ledger.age_seconds(newest.intent_at)
            late = lost_calls.appear(
                self.context,
                lambda: known_steps.settled(self.context, cluster_id, name, self.ledger),
                f"waiting for step {name}, which a driver is adding",
                max(0.0, lost_calls.UNSETTLED_SECONDS - age),
            )
            found += [late] if late else []
        return found
