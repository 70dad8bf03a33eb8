"""The work of one attempt: playbooks and steps on the run's cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kiln.emr import (
    cluster_endings,
    clusters,
    descriptions,
    existing,
    finding,
    holding,
    launch,
    node_watch,
    states,
    tags,
)
from kiln.emr.launch_watcher import LaunchWatcher
from kiln.emr.steps import StepLateError
from kiln.emr.waiting import Waiting
from kiln.errors import ClusterNotFoundError, DeadlineError, KilnError, PlaybookError, ShareUsedError
from kiln.identity import name_of
from kiln.playbooks.supervision import Supervision
from kiln.runs import step_terms
from kiln.runs.node_gate import NodeGate
from kiln.runs.step_graph import StepGraph
from kiln.runs.to_do import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln import phases
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.diagnosis.cause import Explain
    from kiln.emr.cancelling import Kill
    from kiln.emr.node_watch import NodeWatch
    from kiln.identity import Identity
    from kiln.playbooks.supervision import Playbooks
    from kiln.reporter import Reporter
    from kiln.runs.deadline import Deadline
    from kiln.runs.limits import Limits
    from kiln.runs.phase_log import PhaseLog
    from kiln.runs.result import Result
    from kiln.runs.scope import Scope
    from kiln.runs.selection import SelectedPhase
    from kiln.runs.step_plan import StepPlan
    from kiln.runs.step_terms import Ship
    from kiln.settings.existing_cluster import ExistingCluster
    from kiln.settings.model import ClusterShape, StepSettings

# The variable of the role emr_cluster that names the steps of the launch.
LAUNCHED_STEPS = "emr_cluster_launched_steps"


@dataclass(kw_only=True)
class ClusterWork:
    """Does the phases of a command.

    `launched` are the clusters that this process launched or worked on: they are this run's, whatever tags
    and ledger say later. `in_launch`: a launch has begun, and it is not known yet that it went well.
    `existing` names a cluster that is used in place of a launch; it is never one of `launched`. `ship` sends
    the logs of steps elsewhere while they are waited for.
    """

    scope: Scope
    identity: Identity
    limits: Limits
    deadline: Deadline
    playbooks: Playbooks
    reporter: Reporter
    arguments: list[str]
    result: Result
    explain: Explain
    kill: Kill
    ship: Ship
    phase_log: PhaseLog
    plan: StepPlan
    shape: ClusterShape | None
    existing: ExistingCluster
    # The launch settings of this attempt in place of the pipeline's own.
    alternative: dict[str, Any] = field(default_factory=dict, init=False)
    launched: list[str] = field(default_factory=list, init=False)
    in_launch: bool = field(default=False, init=False)
    _nodes: NodeWatch | None = field(default=None, init=False)

    def do(self, stage: Sequence[SelectedPhase], following: Sequence[SelectedPhase] = ()) -> None:
        """Do a playbook, or steps that follow each other; `following` is the stage after it."""
        if stage[0].step is None:
            then = following[0].row if following else None
            self.phase_log.timed(stage[0].name, lambda: self._playbook(stage[0].row, then))
        else:
            self._steps([phase.step for phase in stage if phase.step])

    def _playbook(self, row: phases.Phase, then: phases.Phase | None) -> bool:
        try:
            return self._run_playbook(row, then)
        except DeadlineError as error:
            late = self.deadline.error()
            raise DeadlineError(error.message, fix=late.fix, failure_class=late.failure_class) from error

    def _run_playbook(self, row: phases.Phase, then: phases.Phase | None) -> bool:
        context, ledger = self.scope.context, self.scope.ledger
        if row.launches and self.existing.is_named:
            return self._attach()[1]
        self.in_launch = row.launches
        given = self.alternative | (self._launched_steps() if row.launches else {})
        arguments = self.arguments + (["-e", json.dumps(given)] if given else [])
        supervision = Supervision(
            reporter=self.reporter,
            stop=context.stop,
            seconds=self.deadline.seconds_left(),
            on_cluster=self._works_on,
            followed_by=then,
        )
        if not self.in_launch:
            try:
                return self.playbooks.run(row, arguments, supervision)
            except PlaybookError as error:
                raise cluster_endings.cause_of(context, ledger, self.result.cluster_id, error) from error
        watcher = LaunchWatcher(context, ledger, self.limits.interval_seconds)
        changed = self.playbooks.run(row, arguments, replace(supervision, tick=watcher))
        self.in_launch = False
        cluster = self._find_cluster()
        watcher.show(cluster)
        self._release(cluster)
        return changed

    @property
    def _ends_by_itself(self) -> bool:
        return self.shape is not None and not self.shape.keep_alive and not self.existing.is_named

    def _launched_steps(self) -> dict[str, Any]:
        """Return the variable that names the steps of a launch whose cluster ends by itself."""
        return {LAUNCHED_STEPS: self.plan.to_launch} if self._ends_by_itself else {}

    def _attach(self) -> tuple[Cluster, bool]:
        """Use the existing cluster; return it, and whether the run did not before."""
        context = self.scope.context
        cluster, is_new = existing.attach(context, self.existing, self.identity, self.scope.ledger)
        self.result.cluster_id = cluster.id
        if is_new:
            self.reporter.line(f"{existing.described(cluster, self.existing)}: not launched, and it stays")
        if cluster.state not in states.CLUSTER_UP:
            interval = self.limits.interval_seconds
            limits = Waiting(timeout_seconds=self.deadline.seconds_left(), interval_seconds=interval)
            cluster = launch.wait_until_up(context, cluster.id, limits)
        return cluster, is_new

    def _release(self, cluster: Cluster) -> None:
        """Take back the hold of a cluster that an earlier command left for debugging."""
        if self.shape is not None and cluster.tags.get(tags.HELD_UNTIL):
            holding.release(self.scope.context, cluster, self.shape, self.scope.ledger)
            self.reporter.line(f"cluster {cluster.id}: it was held for debugging, and is used again")

    def _works_on(self, cluster_id: str) -> None:
        if cluster_id not in self.launched:
            self.launched.append(cluster_id)
        self.result.cluster_id = cluster_id

    def _find_cluster(self) -> Cluster:
        if self.existing.is_named:
            return self._attach()[0]
        if self.result.cluster_id is None:
            names = (self.identity.environment, self.identity.pipeline, self.identity.run_id)
            found = finding.only(self.scope.context, *names, lambda _: self.scope.ledger)
            if found.name == name_of(self.identity):
                self._works_on(found.id)
            # Else one that the run shares, by its ledger.
            self.result.cluster_id = found.id
            return found
        return clusters.shown(self.scope.context, self.result.cluster_id)

    def _nodes_of(self, cluster_id: str) -> NodeWatch:
        """Return the watch of the cluster's nodes: one for all steps of an attempt."""
        if self._nodes is None or self._nodes.cluster_id != cluster_id:
            run = self.scope.ledger.read_if_possible()
            see_to_new = self._gate_of(cluster_id).see_to_new
            self._nodes = node_watch.of_run(cluster_id, self.limits.interval_seconds, run, see_to_new)
        return self._nodes

    def _gate_of(self, cluster_id: str) -> NodeGate:
        return NodeGate(
            cluster_id=cluster_id,
            ledger=lambda: self.scope.ledger,
            playbooks=self.playbooks,
            arguments=self.arguments,
            reporter=self.reporter,
            seconds_left=self.deadline.seconds_left,
        )

    def _steps(self, wanted: Sequence[StepSettings]) -> None:
        try:
            cluster, decisions = self._decided(wanted)
            self._run_steps(cluster, decisions)
        except StepLateError:
            raise
        except (DeadlineError, ShareUsedError) as error:
            # A call may also have to wait for its turn for as long as any call may.
            if isinstance(error, ShareUsedError) and not self.scope.context.is_over():
                raise
            late = self.deadline.error()
            fix = "; ".join(filter(None, (error.fix, late.fix)))
            raise DeadlineError(
                f"{late.message}: {error.message}", fix=fix, failure_class=late.failure_class
            ) from error

    def _decided(self, wanted: Sequence[StepSettings]) -> tuple[Cluster, list[Decision]]:
        """Find the cluster and what is to do on it. Not to find it is a failure of the first step."""
        first_seen = self.result.cluster_id is None
        try:
            if not self.plan.selection.adds:
                return self._of_last_tries(wanted)
            if self._ends_by_itself:
                # It may have ended by now.
                cluster, _ = self._of_last_tries(wanted)
                return cluster, self.plan.on(cluster.id, wanted)
            cluster = self._find_cluster()
            if first_seen:
                self.reporter.line(descriptions.describe_change(cluster))
            return cluster, self.plan.on(cluster.id, wanted)
        except KilnError:
            with self.phase_log.phase(wanted[0].name):
                raise

    def _of_last_tries(self, wanted: Sequence[StepSettings]) -> tuple[Cluster, list[Decision]]:
        """Return the cluster on which the steps were tried last, live or not."""
        run = self.scope.ledger.read()
        names = {one.name for one in wanted}
        tries = [one.cluster_id for one in run.steps if one.name in names and one.step_id] if run else []
        if not tries:
            raise ClusterNotFoundError(f"the run has no step {', '.join(sorted(names))}")
        if run is not None and not run.shares(tries[-1]):
            self._works_on(tries[-1])
        self.result.cluster_id = tries[-1]
        cluster = clusters.shown(self.scope.context, tries[-1])
        return cluster, [Decision(one, runs=True, why="it was added") for one in wanted]

    def _run_steps(self, cluster: Cluster, decisions: Sequence[Decision]) -> None:
        nodes, gate = self._nodes_of(cluster.id), self._gate_of(cluster.id)

        def before_step(context: Context) -> None:
            nodes.look(context, step_has_to_begin=True)
            gate.check(context)

        leaves = self.plan.selection.leaves
        graph = StepGraph(
            context=replace(self.scope.context, report=self.reporter.line),
            ledger=self.scope.ledger,
            limits=self.limits,
            needs=self.plan.needs,
            request=self.plan.selection.request,
            leaves=leaves,
            adds=self.plan.selection.adds and not self._ends_by_itself,
            # Where the cluster stays, its steps must not go on unseen.
            cancels=not self.plan.ends or self.limits.hold_seconds > 0 or self.existing.is_named,
            # The time of a step that is not waited for is nobody's to keep.
            phase=step_terms.no_phase if leaves else self.phase_log.phase,
            explain=self.explain,
            kill=self.kill,
            before_step=before_step,
            on_poll=nodes.on_poll,
        )
        with step_terms.nothing_sent(cluster) if leaves else self.ship(cluster):
            graph.do(cluster, decisions, self.result)
