"""One step of a run: added once, waited for, and its cause read while the nodes are still there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kiln.runs.step_graph import StepGraph

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.ledger.store import Ledger
    from kiln.reporter import Reporter
    from kiln.runs.limits import Limits
    from kiln.runs.result import Result
    from kiln.settings.model import StepSettings


@dataclass(frozen=True, kw_only=True)
class StepPhase:
    """Runs steps and puts them into the result.

    `explain` returns the lines that say why a step failed. `cancels`: an interrupted step is cancelled,
    because this command does not end the cluster.
    """

    context: Context
    ledger: Ledger
    limits: Limits
    reporter: Reporter
    result: Result
    explain: Callable[[Context, Cluster, Step], list[str]]
    cancels: bool

    def run(self, cluster: Cluster, wanted: StepSettings) -> bool:
        """Run a step to its end; return whether it was added now. Raises KilnError when it fails."""
        graph = StepGraph(
            context=replace(self.context, report=self.reporter.line),
            ledger=self.ledger,
            limits=self.limits,
            needs={},
            cancels=self.cancels,
            explain=self.explain,
        )
        try:
            (ended,) = graph.run(cluster, [wanted])
        finally:
            graph.fill(self.result)
        return ended.added
