"""The machines of a hollow cluster: records only. EC2 does not know them and nothing listens on them."""

from __future__ import annotations

import itertools
import math
import secrets
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from emrbox.config import REGION
from emrbox.emr import ids
from emrbox.emr.hollow.load import load_of
from emrbox.emr.hollow.steps import ScriptedStep
from emrbox.emr.life.decisions import newest_first
from emrbox.emr.life.layer import Pace
from emrbox.emr.life.model import Instance, Place, Status
from emrbox.emr.life.places import asked_places
from emrbox.emr.life.states import InstanceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emrbox.emr.hollow.scripts import Scripts
    from emrbox.emr.life.clock import MovableClock
    from emrbox.emr.life.layer import Checkpoint, StepOutcome
    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Cluster, Group, Purchase, Session, Step, TypeConfig

# RFC 2544's network for bench tests: no address of a real node, and none that answers.
FIRST_ADDRESS = IPv4Address("198.18.0.4")
ADDRESSES = 2**17 - 8
ZONES = "abcdef"  # the letters of us-east-1
# Clients launch a cluster that is not kept alive without steps, then tag it and add them (Airflow, mrjob): a
# real start leaves minutes for that, so an empty one starts this long, or until its first step.
FIRST_STEP_SECONDS = 15.0


class HollowSession:
    """A session without a server."""

    server: tuple[str, int] | None = None
    secret = ""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def stop(self) -> None:
        """Be over at once."""
        self._report("stopped")


class HollowNodes:
    """The layer of a cluster without machines. `lose` ends some of its instances."""

    pace = Pace(first_step=FIRST_STEP_SECONDS)
    _numbers = itertools.count()

    def __init__(
        self,
        cluster: Cluster,
        clock: MovableClock,
        scripts: Scripts,
        check_groups: Callable[[Cluster], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._scripts = scripts
        self._check_groups = check_groups
        self._lost: set[str] = set()
        self._unhealthy: set[str] = set()

    def places(self) -> list[Place]:
        """Return what the request names; of its subnets, the first is in the first zone, and so on.

        Raises StartFailureError for its security groups.
        """
        self._check_groups(self._cluster)
        places = asked_places(self._cluster.request["Instances"], partial(Place, None))
        return [
            Place(place.zone or f"{REGION}{ZONES[number % len(ZONES)]}", place.subnet_id)
            for number, place in enumerate(places)
        ]

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:  # noqa: ARG002
        """Nothing limits what EC2 has here."""
        return math.inf

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:  # noqa: ARG002  # all groups alike
        """Make instances; there is always capacity."""
        return [self._instance(purchase) for _ in range(purchase.count)]

    def _instance(self, purchase: Purchase) -> Instance:
        address = FIRST_ADDRESS + next(self._numbers) % ADDRESSES
        return Instance(
            id=ids.instance_id(),
            ec2_id=f"i-{secrets.token_hex(9)[:17]}",
            private_ip=str(address),
            private_dns=f"ip-{str(address).replace('.', '-')}.ec2.internal",
            type=purchase.type,
            market=purchase.market,
            fills=purchase.fills,
            status=Status(InstanceState.PROVISIONING, self._clock.now()),
        )

    def lose(self, ec2_ids: Iterable[str]) -> None:
        """Let instances be gone, as EC2 would."""
        with self._cluster.lock:
            self._lost.update(ec2_ids)
        self._cluster.wake()

    def make_unhealthy(self, ec2_ids: Iterable[str]) -> None:
        """Let YARN call these instances unhealthy, and no others."""
        with self._cluster.lock:
            self._unhealthy = set(ec2_ids)
        self._cluster.wake()

    def boot(self, check: Checkpoint) -> None:
        """Nothing boots."""
        check()

    def bootstrap(self, check: Checkpoint) -> None:
        """Bootstrap actions are not run."""
        check()

    def provision(self, check: Checkpoint) -> None:
        """Nothing is installed."""
        check()

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:  # noqa: ARG002
        """Nothing boots."""
        check()

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:  # noqa: ARG002
        """All get through at once."""
        check()
        return []

    def reconfigure(self, group: Group) -> None:
        """There are no files: the records have the configurations."""

    def order_to_leave(self, group: Group) -> list[Instance]:
        """Let the newest leave first."""
        return newest_first(group)

    def decommission(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:  # noqa: ARG002
        """Nothing runs on them."""
        check()

    def end(self, instances: Sequence[Instance]) -> None:
        """There is nothing to end."""

    def protect(self, *, protected: bool) -> None:
        """EC2 has no such instances to protect."""

    def start_step(self, step: Step, report: Callable[[StepOutcome], None]) -> ScriptedStep:
        """Run the step's script by the clock."""
        running = ScriptedStep(self._cluster, step, self._scripts.of(self._cluster, step), report)
        running.start(self._clock)
        return running

    def start_session(self, session: Session, report: Callable[[str], None]) -> HollowSession:  # noqa: ARG002
        """Be there at once; nothing listens."""
        return HollowSession(report)

    def lost_instances(self) -> set[str]:
        """Return the instances that were lost."""
        return self._lost

    def unhealthy(self) -> set[str]:
        """Return the instances that a fault has made unhealthy."""
        return self._unhealthy

    def examine(self) -> None:
        """There is nothing to ask."""

    def busy(self) -> bool:
        """Only steps make a hollow cluster busy."""
        return False

    def load(self) -> Load:
        """Return what the scripts of the running steps want."""
        return load_of(self._cluster, self._scripts)

    def refusal_of_scaling_role(self, role: str) -> None:
        """Every role will do, as for the service role."""

    def tag_instances(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        """EC2 has no such instances to tag."""

    def push_logs(self) -> None:
        """There are no logs."""

    def may_shut_down(self) -> bool:
        """There is nothing to wait for."""
        return True

    def shut_down(self) -> None:
        """There is nothing to end."""
