"""What the parts of a cluster's engine share: the records, the machines, and the time of the present turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from emrbox.emr.life import states
from emrbox.emr.life.layer import InterruptedByEndError
from emrbox.emr.life.procedures import Job, Procedure, Procedures, StartJob, Until
from emrbox.emr.life.states import InstanceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, Group, HasStatus, Instance, Reason, S
    from emrbox.emr.life.notices import Kind

T = TypeVar("T")


@dataclass
class Context:
    """Used in turns only, under the cluster's lock; `check` alone is for jobs too.

    `pick_delay` returns the seconds that a phase takes beyond the time of the machines; `now` is the time of
    the present turn.
    """

    cluster: Cluster
    layer: NodeLayer
    start_job: StartJob
    pick_delay: Callable[[str], float]
    now: datetime
    procedures: Procedures = field(default_factory=Procedures)

    @property
    def is_live(self) -> bool:
        """Whether the cluster has not begun to end."""
        return self.cluster.status.state in states.CLUSTER_LIVE

    def check(self) -> None:
        """Raise InterruptedByEndError when the cluster is ending."""
        if not self.is_live:
            raise InterruptedByEndError

    def move(self, subject: HasStatus[S], state: S, reason: Reason | None = None) -> None:
        """Move the cluster, or a group, instance or step of it, to a state."""
        self.cluster.move(subject, state, self.now, reason)

    def move_instances(
        self, instances: Iterable[Instance], state: InstanceState, reason: Reason | None = None
    ) -> None:
        """Move instances to a state; those that are over stay so."""
        for instance in instances:
            if instance.status.state is not InstanceState.TERMINATED:
                self.move(instance, state, reason)

    def notify(self, kind: Kind, group: Group, **words: object) -> None:
        """Report what is no new state, now."""
        self.cluster.notify(kind, group, self.now, **words)

    def do(self, name: str, call: Callable[[], T]) -> Procedure[T]:
        """Make a call on the machines as a job. Returns or raises what the call does."""
        job = Job(f"{name} of {self.cluster.id}", call)
        self.start_job(job)
        if not job.is_reported:
            yield job
        return job.value()

    def pause(self, phase: str) -> Procedure[None]:
        """Let the phase's delay pass. Raises InterruptedByEndError as soon as the cluster is ending."""
        yield Until(self.now + timedelta(seconds=self.pick_delay(phase)), lambda: not self.is_live)
        self.check()
