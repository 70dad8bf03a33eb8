"""A cluster on the box's nodes: EC2 instances, bootstrap actions, HDFS, YARN and Spark, steps, logs."""

from __future__ import annotations

import http.client
import itertools
import logging
import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emrbox.emr.life.decisions import newest_first
from emrbox.emr.life.layer import Pace, StepOutcome
from emrbox.emr.machines.bootstrap import bootstrap_late_nodes, run_bootstrap_actions
from emrbox.emr.machines.capacity import Capacity
from emrbox.emr.machines.daemons import Daemons, daemons_of
from emrbox.emr.machines.instance_state import InstanceState
from emrbox.emr.machines.job_history import job_history
from emrbox.emr.machines.log_layout import CONTAINERS, SOURCES, STEPS, logs_of
from emrbox.emr.machines.log_pusher import LogPusher
from emrbox.emr.machines.node_access import Machines, Member, on_all
from emrbox.emr.machines.node_logs import NodeLogs
from emrbox.emr.machines.provision_log import provisioning
from emrbox.emr.machines.provisioning import (
    install_applications,
    write_aws_config,
    write_configurations,
    write_info,
)
from emrbox.emr.machines.session_process import SessionProcess
from emrbox.emr.machines.step_process import StepProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.layer import Checkpoint
    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Cluster, Group, Instance, Place, Purchase, Session, Step, TypeConfig

LOG = logging.getLogger(__name__)
# EC2 does not report lost instances; managed scaling reads metrics every 5 to 10 s (docs/aws_facts.md 2.5);
# the check of idleness calls YARN and HDFS; logs appear in S3 every 5 minutes (docs/aws_facts.md 3.2).
PACE = Pace(lost_instances=1.0, scaling=5.0, health=60.0, idleness=5.0, logs=300.0)
BOOT_TIMEOUT_SECONDS = 150.0  # longer than a node itself waits, which then reports why
FIRST_SESSION_PORT = 15002  # Spark Connect's own
BUSY_FILE = "/emr/metricscollector/isbusy"
BUSY_HDFS_PERCENT = 10.0
# A file that was touched longer ago does not count (a guess: the guide gives no time).
BUSY_FILE_SECONDS = 60.0


class RealNodes:
    """The machines of one cluster."""

    pace = PACE

    def __init__(
        self,
        cluster: Cluster,
        machines: Machines,
        endpoint_url: str,
        clock: Clock,
        *,
        logs_late: Callable[[], float] = lambda: 0.0,
        keep_event_logs: Callable[[Cluster], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._machines = machines
        self._clock = clock
        self._capacity = Capacity(cluster, endpoint_url, clock)
        self._logs = LogPusher(cluster, endpoint_url, clock.now, logs_late)
        self._node_logs = NodeLogs(clock)
        self._state = InstanceState(clock)
        self._keep_event_logs = keep_event_logs
        self._members: list[Member] = []
        self._daemons: Daemons | None = None
        self._unhealthy: set[str] = set()
        self._session_ports = itertools.count(FIRST_SESSION_PORT)

    def places(self) -> list[Place]:
        """Return what the request names, with the zones of its subnets."""
        return self._capacity.places()

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:  # noqa: ARG002
        """Nothing limits what EC2 has here."""
        return math.inf

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        """Get instances for the group from EC2."""
        return self._capacity.launch(group, purchase)

    def boot(self, check: Checkpoint) -> None:
        """Return when sshd answers on every node."""
        check()
        present = self._cluster.present
        self._machines.wait_running([i.ec2_id for i in present], BOOT_TIMEOUT_SECONDS)
        alone = len(present) == 1
        self._members = [
            Member(group, instance, self._machines.get(instance.ec2_id), alone=alone)
            for group in self._cluster.groups
            for instance in group.present
        ]
        self._prepare(self._members)

    def _prepare(self, members: Sequence[Member]) -> None:
        for member in members:
            write_aws_config(member)
            write_info(self._cluster, member)
            self._node_logs.begin(member)
            self._node_logs.controller(member, f"is the {member.group.role} node of {self._cluster.id}")

    def bootstrap(self, check: Checkpoint) -> None:
        """Run the bootstrap actions."""
        run_bootstrap_actions(self._cluster.bootstrap_actions, self._members, check, self._node_logs)

    def provision(self, check: Checkpoint) -> None:
        """Install Hadoop and Spark, start the daemons, wait for them."""
        with self._provisioning(self._members) as install:
            on_all(install, self._members)
            check()
            self._daemons = Daemons(self._members)
            self._daemons.start()
            self._daemons.wait_ready(check)

    @contextmanager
    def _provisioning(self, members: Sequence[Member]) -> Iterator[Callable[[Member], None]]:
        """Give what installs the applications on one of these nodes; their logs tell how it went."""
        with provisioning(members, self._clock) as logs:
            yield lambda member: install_applications(self._cluster, member, logs[member.instance.id].note)
            for member in members:
                names = ", ".join(daemon.name for daemon in daemons_of(member))
                logs[member.instance.id].note(f"Started {names}")
                self._node_logs.controller(member, f"applications are provisioned, and run: {names}")
        self._state.take(members, self._clock.now())

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Return when sshd answers on every one of these nodes."""
        check()
        self._machines.wait_running([i.ec2_id for i in instances], BOOT_TIMEOUT_SECONDS)
        self._prepare(self._members_of(group, instances))

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:
        """Bootstrap the nodes, install Hadoop and Spark, let them join. Returns those that were not fit."""
        members = self._members_of(group, instances)
        fit = bootstrap_late_nodes(self._cluster.bootstrap_actions, members, check, self._node_logs)
        with self._provisioning(fit) as install:
            on_all(install, fit)
            check()
            if self._daemons is not None and fit:
                self._daemons.add(fit, check)
        self._members = [*self._members, *fit]
        unfit = [member for member in members if member not in fit]
        self._push_last_logs(unfit)
        return [member.instance for member in unfit]

    def reconfigure(self, group: Group) -> None:
        """Write the new files and restart the daemons that read those which have changed, node by node."""
        members = [member for member in self._members if member.group is group]
        with provisioning(members, self._clock, group.reconfiguration.version) as logs:
            for member in members:
                note = logs[member.instance.id].note
                changed = write_configurations(self._cluster, member, note)
                if self._daemons is not None:
                    self._daemons.restart(member, changed, self._members, note)

    def _members_of(self, group: Group, instances: Sequence[Instance]) -> list[Member]:
        return [Member(group, i, self._machines.get(i.ec2_id)) for i in instances]

    def order_to_leave(self, group: Group) -> list[Instance]:
        """As asked for; else the nodes with the fewest containers first, of these the newest."""
        containers = self._daemons.containers() if self._daemons is not None else {}
        return sorted(
            newest_first(group),
            key=lambda i: (
                i.ec2_id in group.protected_ids,
                i.ec2_id not in group.first_ids,
                containers.get(i.private_dns, 0),
            ),
        )

    def decommission(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Let YARN finish what runs there and HDFS copy what lies there, as long as the policy waits."""
        if self._daemons is not None:
            seconds = {i.private_dns: group.seconds_to_leave(i) for i in instances}
            self._daemons.decommission(seconds, check)

    def end(self, instances: Sequence[Instance]) -> None:
        """Push the instances' last logs and end them."""
        ended = {i.id for i in instances}
        self._push_last_logs([m for m in self._members if m.instance.id in ended])
        self._members = [m for m in self._members if m.instance.id not in ended]
        self._capacity.end(instances)

    def protect(self, *, protected: bool) -> None:
        """Set DisableApiTermination on the cluster's instances."""
        self._capacity.protect(protected=protected)

    def start_step(self, step: Step, report: Callable[[StepOutcome], None]) -> StepProcess:
        """Start a step on the master."""
        process, master = self._step_process(step), self._master
        self._node_logs.controller(master, f"step {step.id} has been started")

        def wait() -> None:
            try:
                outcome = process.wait()
            except Exception as problem:
                LOG.exception("step %s of %s could not be waited for", step.id, self._cluster.id)
                outcome = StepOutcome.of_problem(problem)
            self._node_logs.controller(master, f"step {step.id} ended with exit code {outcome.exit_code}")
            report(outcome)

        threading.Thread(target=wait, name=f"emr-{step.id}", daemon=True).start()
        return process

    def _step_process(self, step: Step) -> StepProcess:
        master = self._master

        def push(application_ids: Sequence[str]) -> None:
            if self._daemons is not None:
                for application_id in application_ids:
                    self._daemons.wait_containers_over(application_id)
            self._push_step(step.id)
            if application_ids:
                self._push_job_history()

        def kill_applications(application_ids: Sequence[str]) -> None:
            if self._daemons is not None:
                for application_id in application_ids:
                    self._daemons.kill_application(application_id)

        def failed_jobs(application_ids: Sequence[str]) -> list[str]:
            return [] if self._daemons is None else self._daemons.failed_jobs(application_ids)

        return StepProcess(step, master, push, self._logs.uri, kill_applications, failed_jobs=failed_jobs)

    def start_session(self, session: Session, report: Callable[[str], None]) -> SessionProcess:
        """Start a Spark Connect server on the master, at a port of its own."""
        process = SessionProcess(session, self._master, next(self._session_ports), report)
        process.wait_answers()
        return process

    def lost_instances(self) -> set[str]:
        """Return the EC2 ids of instances that EC2 does not run any more."""
        return self._capacity.lost()

    def unhealthy(self) -> set[str]:
        """Return the nodes that the ResourceManager has called unhealthy: those with full disks."""
        return self._unhealthy

    def examine(self) -> None:
        """Ask the ResourceManager."""
        names = set() if self._daemons is None else self._daemons.unhealthy()
        self._unhealthy = {m.instance.ec2_id for m in self._members if m.instance.private_dns in names}

    def busy(self) -> bool:
        """Whether YARN has work, HDFS is 10 % full or the busy file exists (docs/aws_facts.md 1.6)."""
        load = self.load()
        if load is None or load.apps_running + load.apps_pending > 0:
            return True
        if load.hdfs_used_percent >= BUSY_HDFS_PERCENT:
            return True
        file = self._master.node.files.status(BUSY_FILE)
        return file is not None and self._clock.now().timestamp() - file.st_mtime < BUSY_FILE_SECONDS

    def load(self) -> Load | None:
        """Return the ResourceManager's metrics."""
        if self._daemons is None:
            return None
        return self._daemons.load({m.instance.private_dns: m.instance.ec2_id for m in self._members})

    def refusal_of_scaling_role(self, role: str) -> str | None:
        """Return why automatic scaling cannot assume the role."""
        return self._capacity.refusal_of_scaling_role(role)

    def tag_instances(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        """Change the tags of the cluster's instances."""
        self._capacity.tag(set_tags, remove_keys)

    def push_logs(self) -> None:
        """Copy what is new in the logs to the log URI, with a new snapshot of each node when one is due.

        Event logs are copied to where EMR's UIs read them.
        """
        self._state.take_due(self._members)
        self._push(self._members)
        self._keep_event_logs(self._cluster)

    def _push(self, members: Sequence[Member]) -> None:
        self._logs.push(log for member in members for log in logs_of(member, *SOURCES))
        self._push_job_history()

    def _push_step(self, step_id: str) -> None:
        """Push one step's files and every container's."""
        steps = logs_of(self._master, STEPS)
        self._logs.push(log for log in steps if log.key.startswith(f"{STEPS.place}/{step_id}/"))
        working = [member for member in self._members if member.works]
        self._logs.push(log for member in working for log in logs_of(member, CONTAINERS))

    def _push_job_history(self) -> None:
        """Push the history of the jobs that are over, if there is a NameNode to ask for it."""
        master = self._master.instance
        if self._daemons is None or master.status.ended or master.ec2_id in self._capacity.lost():
            return
        try:
            self._logs.push(job_history(self._daemons.hdfs))
        # HDFS has ended, or a step answers in its place.
        except (OSError, ValueError, http.client.HTTPException) as problem:
            LOG.warning("the history of jobs of %s was not read: %s", self._cluster.id, problem)

    def may_shut_down(self) -> bool:
        """Nothing holds them."""
        return True

    def shut_down(self) -> None:
        """Push the last logs and end every instance."""
        self._push_last_logs(self._members)
        if self._daemons is not None:
            self._keep_event_logs(self._cluster)
        self._capacity.end()

    def _push_last_logs(self, members: Sequence[Member]) -> None:
        """Push logs, if that works: whatever fails here, the nodes are ended next."""
        try:
            self._push(members)
        except Exception:
            LOG.exception("the last logs of %s were not pushed", self._cluster.id)

    @property
    def _master(self) -> Member:
        return next(member for member in self._members if member.is_master)
