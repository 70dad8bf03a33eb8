"""The nodes of a cluster while its steps run: which were lost, which joined bare, what that means."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import clusters, ec2_nodes, states
from kiln.emr.descriptions import end_of
from kiln.errors import AwsError, ClusterNotFoundError, KilnError, ThrottledError, UnansweredError
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.aws.watch import Node
    from kiln.ledger.schema import Run

# EMR is asked for nodes that EC2 does not show so much less often: its quota is small.
_EMR_INTERVALS = 4
_LOOKS_UNTIL_LOST = 2


class NodesLostError(KilnError):
    """The nodes that a step needs are gone, or one that is there was never provisioned."""

    exit_code = ExitCode.CAPACITY
    failure_class = FailureClass.NO_CORE


def of_run(
    cluster_id: str,
    interval_seconds: float,
    run: Run | None,
    see_to_new: Callable[[Context], bool] | None = None,
) -> NodeWatch:
    """Return the watch of a run's cluster. What was launched after the last deploy has nothing of the run."""
    ended = [one.ended_at for one in run.phases if one.name == phases.DEPLOY.name] if run else []
    try:
        moment = datetime.fromisoformat(ended[-1]) if ended else None
    except ValueError:
        moment = None
    # A time without a zone would be taken for one of this machine's.
    known = moment is not None and moment.tzinfo is not None
    return NodeWatch(cluster_id, interval_seconds, moment if known else None, see_to_new)


class NodeWatch:
    """Compares the nodes of one cluster with those that were provisioned.

    Those are the ones that were launched before `provisioned_at`; when that is not known, those that run at
    the first look. A lost or bare node is reported once, at once.

    `see_to_new` sets up nodes that joined, and returns whether none is left to set up; it is called again and
    again until then. Without it nobody provisions them.
    """

    def __init__(
        self,
        cluster_id: str,
        interval_seconds: float,
        provisioned_at: datetime | None = None,
        see_to_new: Callable[[Context], bool] | None = None,
    ) -> None:
        self.cluster_id, self._interval = cluster_id, interval_seconds
        self._provisioned_at = provisioned_at
        self._see_to_new, self._next_new = see_to_new, float("-inf")
        self._next = float("-inf")
        self._asks_ec2 = True
        self._provisioned: dict[str, Node] | None = None
        self._lost: dict[str, Node] = {}
        self._bare: dict[str, Node] = {}
        self._absent: dict[str, int] = {}
        self._reported_end = False

    def look(self, context: Context, *, step_has_to_begin: bool) -> None:
        """Compare, and report what changed; what AWS does not say now is asked the next time.

        Raises NodesLostError when no core node or no master is left, or when a core node was lost, its
        replacement is bare and a step has yet to begin. The end of the cluster itself is not judged here.
        """
        nodes = self._nodes(context)
        if not nodes:
            return
        if self._provisioned is None:
            self._provisioned = {key: node for key, node in nodes.items() if self._was_provisioned(node)}
        self._note_lost(context, nodes)
        self._note_bare(context, nodes)
        if not step_has_to_begin:
            self._set_up_bare(context)
        error = self._judged(nodes, step_has_to_begin=step_has_to_begin)
        if error is not None and not self._is_ending(context):
            raise error

    def saw(self, context: Context, cluster: Cluster | None) -> None:
        """Report that the cluster is being ended, and as far as AWS says by whom and why, once."""
        if cluster and cluster.state in states.CLUSTER_ENDING and not self._reported_end:
            self._reported_end = True
            context.report(f"{end_of(cluster)} while a step runs; CloudTrail shows who asked for it")

    def on_poll(self, context: Context, cluster: Cluster | None) -> None:
        """Look while a step runs, after AWS has shown the cluster."""
        self.saw(context, cluster)
        if cluster is not None and cluster.state in states.CLUSTER_UP:
            self.look(context, step_has_to_begin=False)

    def _nodes(self, context: Context) -> Mapping[str, Node]:
        """Return the nodes by id; none when it is not time to ask, or AWS does not say."""
        if context.watch is not None and self._asks_ec2:
            shared = context.watch.nodes(context, self.cluster_id)
            if shared:
                return shared
        now = context.clock.monotonic()
        if now < self._next:
            return {}
        self._next = now + self._interval
        try:
            return self._of_ec2(context) or self._of_emr(context, now)
        except (ThrottledError, UnansweredError):
            return {}
        except AwsError:
            # Not allowed to ask: then nodes are not watched.
            self._next = float("inf")
            return {}
        except ClusterNotFoundError:
            return {}

    def _of_ec2(self, context: Context) -> Mapping[str, Node]:
        if not self._asks_ec2:
            return {}
        filters = {f"tag:{ec2_nodes.JOB_FLOW_TAG}": [self.cluster_id]}
        try:
            found = context.within(0).effects.find_instances(filters | ec2_nodes.EVERY_STATE)
        except (ThrottledError, UnansweredError):
            raise
        except AwsError:
            found = []
        self._asks_ec2 = bool(found)
        return ec2_nodes.by_cluster(found).get(self.cluster_id, {})

    def _of_emr(self, context: Context, now: float) -> Mapping[str, Node]:
        waits = context.watch.waits if context.watch else 1
        self._next = now + self._interval * _EMR_INTERVALS * waits
        return ec2_nodes.of_emr(context.within(0).effects.list_instances(self.cluster_id))

    def _was_provisioned(self, node: Node) -> bool:
        if self._provisioned_at is None or not node.launched_at:
            return node.state == ec2_nodes.RUNNING
        return node.launched_at <= self._provisioned_at.timestamp()

    def _note_lost(self, context: Context, nodes: Mapping[str, Node]) -> None:
        for key, node in (self._provisioned or {}).items():
            if key in self._lost or not self._is_lost(key, nodes.get(key)):
                continue
            self._lost[key] = lost = nodes.get(key, node)
            why = f" ({lost.reason_code})" if lost.reason_code else ""
            context.report(f"{_words(key, node)} of cluster {self.cluster_id} was lost{why}")

    def _is_lost(self, key: str, seen: Node | None) -> bool:
        """Return whether a node is gone: EC2 says so, or nobody shows it any more, twice."""
        if seen is not None:
            self._absent.pop(key, None)
            return seen.state in ec2_nodes.ENDED
        self._absent[key] = self._absent.get(key, 0) + 1
        return self._absent[key] >= _LOOKS_UNTIL_LOST

    def _note_bare(self, context: Context, nodes: Mapping[str, Node]) -> None:
        known = (self._provisioned or {}).keys() | self._bare.keys()
        for key, node in nodes.items():
            if key in known or node.state != ec2_nodes.RUNNING:
                continue
            self._bare[key] = node
            bare = "" if self._see_to_new else " and is not provisioned"
            context.report(f"{_words(key, node)} joined cluster {self.cluster_id}{bare}")

    def _set_up_bare(self, context: Context) -> None:
        """Let nodes that joined be set up. Whether they can be yet is asked of EMR, so not at every look."""
        now = context.clock.monotonic()
        if self._see_to_new is None or not self._bare or now < self._next_new:
            return
        if self._see_to_new(context):
            self._provisioned = (self._provisioned or {}) | self._bare
            self._bare = {}
        self._next_new = context.clock.monotonic() + self._interval * _EMR_INTERVALS

    def _judged(self, nodes: Mapping[str, Node], *, step_has_to_begin: bool) -> NodesLostError | None:
        """Return the error for what the lost nodes mean, if they end the work."""
        lost = {node.group for node in self._lost.values()}
        left = {node.group for node in nodes.values() if node.state == ec2_nodes.RUNNING}
        bare = {node.group for node in self._bare.values()}
        if "MASTER" in lost:
            return self._error("the master node was lost", self._class_of_loss(FailureClass.NO_MASTER))
        if "CORE" not in lost:
            return None
        if "CORE" not in left:
            return self._error("no core node is left", self._class_of_loss(FailureClass.NO_CORE))
        if "CORE" in bare and step_has_to_begin and self._see_to_new is None:
            message = "a core node was lost and the one that replaced it is not provisioned"
            return self._error(message, self._class_of_loss(FailureClass.NO_CORE))
        return None

    def _class_of_loss(self, otherwise: FailureClass) -> FailureClass:
        """Return the class as kiln.emr.verdict_table has it: one spot node that EC2 took back decides."""
        by_spot = any(node.reason_code == ec2_nodes.SPOT_LOSS for node in self._lost.values())
        return FailureClass.SPOT_LOSS if by_spot else otherwise

    def _error(self, message: str, failure_class: FailureClass) -> NodesLostError:
        details = tuple(f"lost: {_words(key, node)} {node.reason_code}" for key, node in self._lost.items())
        return NodesLostError(
            f"cluster {self.cluster_id}: {message}",
            fix="run it again on a new cluster; spot instances: let an alternative use on-demand ones",
            details=details,
            failure_class=failure_class,
        )

    def _is_ending(self, context: Context) -> bool:
        """Return whether the nodes are gone because the cluster is: then its own reason counts."""
        try:
            cluster = clusters.seen(context, self.cluster_id)
        except KilnError:
            return True
        self.saw(context, cluster)
        return cluster is None or cluster.state not in states.CLUSTER_UP


def _words(key: str, node: Node) -> str:
    return f"{node.group.lower() or 'unknown'} node {key}"
