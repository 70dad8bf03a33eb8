"""No step begins before every running node has what the others have; nodes that joined later are set up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import states
from kiln.errors import InterruptedRunError, KilnError, PlaybookError
from kiln.ledger import deployed
from kiln.playbooks.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Instance
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.playbooks.supervision import Playbooks
    from kiln.reporter import Reporter

# Label of an item -> the tag that chooses it in playbooks/nodes.yml.
TAGS = {
    "packages": "packages",
    "files": "files",
    "system_settings": "system_settings",
    "environment": "python",
    "release": "model_repo",
    "secrets": "node_secrets",
}
_RUNNING = frozenset({states.NODE_RUNNING})
# A node's bootstrap actions run with sshd up, and wait for the secrets (on_node/join.sh).
_REACHABLE = _RUNNING | {states.NODE_BOOTSTRAPPING}
# For how long the set-up of a new node may keep a driver from looking after the step that runs.
_BESIDE_A_STEP_SECONDS = 300.0


def arguments_of(run: Run) -> list[str]:
    """Return the arguments with which playbooks/nodes.yml puts on nodes what the run has put on its nodes."""
    chosen = ",".join(TAGS[label] for label in TAGS if label in run.deployed_items)
    commit = {"model_repo_version": run.deployed_commit} if run.deployed_commit else {}
    return ["--tags", chosen, *(["-e", json.dumps(commit)] if commit else [])]


@dataclass(frozen=True, kw_only=True)
class NodeGate:
    """The nodes of one cluster, compared with what the ledger has of each.

    `ledger` returns the run's ledger in the present deadline. `seconds_left`: how long the run may take.
    """

    cluster_id: str
    ledger: Callable[[], Ledger]
    playbooks: Playbooks
    arguments: list[str]
    reporter: Reporter
    seconds_left: Callable[[], float]

    def check(self, context: Context) -> None:
        """Set up running nodes that differ, before a step begins. Raises PlaybookError with their names."""
        run, late = self._differing(context, _RUNNING)
        if run is None or not late:
            return
        self._set_up(context, run, late, self.seconds_left())
        _, late = self._differing(context, _RUNNING)
        if late:
            raise PlaybookError(
                f"{_words(late)} of cluster {self.cluster_id} differ from the nodes that the run has set up",
                fix="provision and deploy again: all nodes get the present definition",
                exit_code=phases.PROVISION.failure,
            )

    def see_to_new(self, context: Context) -> bool:
        """Set up nodes that joined while a step runs; return whether none is left that differs.

        What goes wrong is reported only: the step runs on the other nodes.
        """
        try:
            run, late = self._differing(context, _REACHABLE)
            if run is None or not late:
                # A run that put nothing on nodes has nothing to put on later ones.
                return run is None or not self._is_starting(context)
            self._set_up(context, run, late, min(self.seconds_left(), _BESIDE_A_STEP_SECONDS))
        except InterruptedRunError:
            raise
        except KilnError as error:
            self.reporter.line(
                f"nodes that joined cluster {self.cluster_id} were not set up: {error.message}"
            )
        return False

    def _differing(self, context: Context, wanted: frozenset[str]) -> tuple[Run | None, list[Instance]]:
        """Return the run when it has put something on this cluster's nodes, and the nodes that lack it.

        `wanted`: the states of the nodes that are looked at.
        """
        run = self.ledger().read_if_possible()
        if run is None or run.deployed_cluster_id != self.cluster_id or not run.deployed_items:
            return None, []
        found = [one for one in self._nodes(context) if one.state in wanted and one.private_ip_address]
        nodes = {one.ec2_instance_id: one for one in found}
        return run, [nodes[one] for one in deployed.differing(run, self.cluster_id, nodes)]

    def _is_starting(self, context: Context) -> bool:
        return any(one.state in states.NODE_STARTING for one in self._nodes(context))

    def _nodes(self, context: Context) -> Sequence[Instance]:
        return context.effects.list_instances(self.cluster_id)

    def _set_up(self, context: Context, run: Run, nodes: Sequence[Instance], seconds: float) -> None:
        self.reporter.line(f"setting up {_words(nodes)}: not like the other nodes of {self.cluster_id}")
        chosen = ["-e", json.dumps({"emr_target_instances": [one.ec2_instance_id for one in nodes]})]
        supervision = Supervision(reporter=self.reporter, stop=context.stop, seconds=seconds)
        self.playbooks.run(phases.NODES, [*self.arguments, *arguments_of(run), *chosen], supervision)


def _words(nodes: Sequence[Instance]) -> str:
    shown = [f"{one.private_ip_address} ({one.ec2_instance_id})" for one in nodes[:3]]
    more = f" and {len(nodes) - len(shown)} more" if len(nodes) > len(shown) else ""
    return ", ".join(shown) + more
