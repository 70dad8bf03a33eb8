"""The line between a cluster's life and its machines: real nodes below it, or scripted ones in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emrbox.emr.life.model import FailureDetails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Ending, Group, Instance, Place, Purchase, Session, Step, TypeConfig


class StartFailureError(Exception):
    """The cluster cannot start; `ending` is the cluster's end."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason.message)
        self.ending = ending


class NoCapacityError(StartFailureError):
    """EC2 does not have the instances."""


class InterruptedByEndError(Exception):
    """The cluster is being terminated while its machines were being made."""


# Called between and during long work; raises InterruptedByEndError when the cluster must end.
Checkpoint = Callable[[], None]


@dataclass(frozen=True)
class StepOutcome:
    """How a step's process ended."""

    exit_code: int
    failure: FailureDetails | None = None
    application_ids: tuple[str, ...] = ()

    @classmethod
    def of_problem(cls, problem: Exception) -> StepOutcome:
        """Return the outcome of a step that emrbox could not run."""
        return cls(1, FailureDetails("Unknown Error.", str(problem)[:500], None))


class StepRun(Protocol):
    """A running step. Both methods return at once, and may be called when it is over."""

    def interrupt(self) -> None:
        """Ask the process to stop (SIGTERM)."""

    def kill(self) -> None:
        """Kill the process and its descendants (SIGKILL)."""


class SessionRun(Protocol):
    """A session's server that runs."""

    @property
    def server(self) -> tuple[str, int] | None:
        """Address and port at which it listens; None without nodes."""

    @property
    def secret(self) -> str:
        """What it asks its clients for."""

    def stop(self) -> None:
        """End it; returns at once, and may be called when it is over."""


@dataclass(frozen=True)
class Pace:
    """How often the engine checks machines, in seconds; None is never."""

    lost_instances: float | None = None  # beside every turn
    scaling: float | None = None  # while managed scaling is on; None is beside every turn
    health: float | None = None  # of nodes, which YARN knows; None is never
    idleness: float | None = None  # beside the moment at which the auto-termination policy would act
    logs: float | None = None
    first_step: float = 0.0  # how long a launch without steps that is not kept alive waits for one


class NodeLayer(Protocol):
    """The machines of one cluster, real, hollow or scripted.

    The methods are called as jobs: they may block. Those that are documented as "at once" must not, because
    the engine and the API call them under the cluster's lock.
    """

    @property
    def pace(self) -> Pace:
        """How often the machines are to be checked."""

    def places(self) -> list[Place]:
        """Return where the cluster may be launched, one place at least."""

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:
        """Return, at once, how many such instances EC2 still has, as far as that is known; else infinity."""

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        """Get instances for the group from EC2, for a fleet as many as there are.

        Raises StartFailureError; NoCapacityError if there are none, or too few for a group.
        """

    def boot(self, check: Checkpoint) -> None:
        """Return when every node is up."""

    def bootstrap(self, check: Checkpoint) -> None:
        """Run the bootstrap actions on every node. Raises StartFailureError."""

    def provision(self, check: Checkpoint) -> None:
        """Install applications, start daemons, return when they work. Raises StartFailureError."""

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Return when nodes that were launched later are up. Raises StartFailureError."""

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:
        """Bootstrap nodes that were launched later and let them join YARN and HDFS.

        Returns those that failed a bootstrap action and so did not. Raises StartFailureError.
        """

    def reconfigure(self, group: Group) -> None:
        """Let the group's nodes have the configurations of their type; restart what reads them."""

    def order_to_leave(self, group: Group) -> list[Instance]:
        """Return the group's present instances, the best one to end first."""

    def decommission(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Return when no container runs on these nodes and HDFS has copied what they store, or in time."""

    def end(self, instances: Sequence[Instance]) -> None:
        """Push the instances' logs and end them."""

    def protect(self, *, protected: bool) -> None:
        """Set DisableApiTermination on the cluster's instances, at once. Called from API threads."""

    def start_step(self, step: Step, report: Callable[[StepOutcome], None]) -> StepRun:
        """Start a step on the master.

        `report` is called, from any thread, when the step's process is over and its logs are pushed.
        """

    def start_session(self, session: Session, report: Callable[[str], None]) -> SessionRun:
        """Start a session's server on the master; return when it answers. Raises what keeps it from that.

        `report` is called, from any thread, with the reason when the server is over.
        """

    def lost_instances(self) -> set[str]:
        """Return, at once, the EC2 ids of instances that are no longer there."""

    def unhealthy(self) -> set[str]:
        """Return, at once, the EC2 ids of the nodes that were unhealthy when they were examined last."""

    def examine(self) -> None:
        """Ask YARN which nodes are unhealthy."""

    def busy(self) -> bool:
        """Whether the cluster counts as active for the auto-termination policy, its steps left aside."""

    def load(self) -> Load | None:
        """Return what YARN has to do; None if it does not answer."""

    def refusal_of_scaling_role(self, role: str) -> str | None:
        """Return why automatic scaling cannot use this role; None if it can."""

    def tag_instances(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        """Change the tags of the cluster's EC2 instances. Called from API threads."""

    def push_logs(self) -> None:
        """Copy what is new in the logs to the log URI."""

    def may_shut_down(self) -> bool:
        """Return, at once, whether the machines can be ended now; the engine asks again if not."""

    def shut_down(self) -> None:
        """Push the last logs and end every instance."""
