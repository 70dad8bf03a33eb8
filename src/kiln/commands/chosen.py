"""The run and the step that `logs` and `diagnose` are about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiln import paths, run_ids
from kiln.commands import shared
from kiln.emr import steps
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Access

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step

_FAILED = frozenset({"FAILED", "INTERRUPTED", "CANCELLED"})


@dataclass(frozen=True)
class Chosen:
    """A run, and how its nodes are reached."""

    context: Context
    access: Access
    known: shared.Known

    def steps(self) -> list[tuple[str, Step]]:
        """Return all steps of the run with the ids of their clusters, oldest first."""
        ids = self.known.cluster_ids
        run = self.known.run
        return [(one, step) for one in ids for step in steps.of_run(self.context, run, one)]

    def step(
        self, wanted: str | None, *, failed_first: bool, number: int | None = None
    ) -> tuple[Cluster, Step]:
        """Return the step with that name or id, else the one that failed, else the last.

        With a `number` it is that try of the step: 1 is the first. Raises UsageError for a step or a try that
        the run does not have, ClusterNotFoundError when it has no step.
        """
        run_id = self.known.identity.run_id
        found = [pair for pair in self.steps() if wanted in {None, pair[1].name, pair[1].id}]
        if not found:
            if wanted:
                raise UsageError(f"run {run_id} has no step {wanted}")
            raise ClusterNotFoundError(f"run {run_id} has no steps yet")
        failed = [pair for pair in found if pair[1].state in _FAILED]
        cluster_id, step = (failed or found)[-1] if failed_first else found[-1]
        if number is not None:
            cluster_id, step = self._try(step, number)
        return self.context.effects.describe_cluster(cluster_id), step

    def _try(self, one: Step, number: int) -> tuple[str, Step]:
        """Return a try of the step that has this one's name, by its number in the run."""
        tries = [pair for pair in self.steps() if pair[1].name == one.name]
        run = self.known.run
        added = [entry.step_id for entry in run.steps if entry.name == one.name] if run else []
        order = {step_id: position for position, step_id in enumerate(added)}
        # The ledger has the order in which they were added; one that it does not have came later.
        tries.sort(key=lambda pair: order.get(pair[1].id, len(order)))
        if number > len(tries):
            raise UsageError(
                f"run {self.known.identity.run_id} has {len(tries)} tries of step {one.name}, not {number}",
                fix=f"--try 1 to --try {len(tries)}",
            )
        return tries[number - 1]


def run(arguments: argparse.Namespace) -> Chosen:
    """Return the run that the command line names, or leaves open."""
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    access = resolve.part(question, Access)
    context = shared.context_of(access)
    known = shared.find_run(context, access, arguments.env, arguments.pipeline, run_id)
    return Chosen(context, access, known)


def described(kind: str, cluster: Cluster, step: Step) -> dict[str, Any]:
    """Return the head of the JSON of a command that is about one step."""
    return {
        "version": 1,
        "kind": kind,
        "cluster_id": cluster.id,
        "cluster_state": cluster.state,
        "step": step.name,
        "step_id": step.id,
        "state": step.state,
    }
