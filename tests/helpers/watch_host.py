"""Several processes of one host: each is a watch of its own on the same folder, on one virtual clock."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from fakes import FakeAws, FakeCluster, VirtualClock, shape

from kiln.aws import effects
from kiln.aws.context import Context
from kiln.aws.watch import Watched
from kiln.emr.request import launch_request
from kiln.identity import Identity
from kiln.watching.host import HostWait, HostWatch
from kiln.watching.rounds import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTERVAL = 15.0
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/kiln"


@dataclass
class Host:
    """A host with clusters, each of which runs one step, and processes that wait for them."""

    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    aws: FakeAws = field(init=False)
    reported: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.aws = FakeAws(self.clock)
        (self.folder / "waits").mkdir()
        self.clock.seconds = 1000.0

    def context(self) -> Context:
        chance = random.Random(1)  # noqa: S311  # jitter
        return Context(aws=self.aws, clock=self.clock, random=chance, report=self.reported.append)

    def cluster(self, steps: int = 1, step_seconds: float = 1e6) -> Watched:
        """Launch a cluster that is up and has steps that run."""
        number = len(self.aws.clusters) + 1
        identity = Identity(environment="local", pipeline="p", run_id=f"r{number}", owner="ops")
        request = launch_request(identity, shape(), self.clock.now())
        one = FakeCluster(f"j-{number:04}", request, self.clock.seconds - 100)
        self.aws.clusters[one.id] = one
        self.aws.step_seconds = step_seconds
        wanted = [effects.StepRequest(name=f"s{at}", jar="x.jar", args=()) for at in range(steps)]
        ids = self.aws.add_steps(one.id, wanted)
        return Watched(cluster_id=one.id, step_ids=tuple(ids))

    def end_step(self, watched: Watched, number: int = 0) -> None:
        self.aws.clusters[watched.cluster_id].steps[number].seconds = 0.0

    def add_node(self, watched: Watched, instance_id: str, group: str = "CORE") -> None:
        tags = {
            "managed_by": "kiln",
            "environment": "local",
            "aws:elasticmapreduce:job-flow-id": watched.cluster_id,
            "aws:elasticmapreduce:instance-group-role": group,
        }
        self.aws.instances[instance_id] = effects.Ec2Instance(
            id=instance_id,
            state="running",
            launched_at=self.clock.now(),
            private_ip_address="10.0.0.4",
            tags=tags,
        )

    def lose_node(self, instance_id: str, reason: str = "Server.SpotInstanceTermination") -> None:
        one = self.aws.instances[instance_id]
        self.aws.instances[instance_id] = msgspec.structs.replace(one, state="terminated", reason_code=reason)

    def on_tick(self, work: Callable[[], object]) -> None:
        """Let the other processes work whenever one waits for the clock."""
        waited = self.clock.wait

        def wait(seconds: float, wake: Any) -> None:
            waited(seconds, wake)
            work()

        self.clock.wait = wait  # type: ignore[method-assign]

    def process(self, queue: str = "", interval: float = INTERVAL) -> HostWatch:
        return HostWatch(self.folder, Plan(environment="local", interval_seconds=interval), queue)

    def begin(self, watch: HostWatch, watched: Watched) -> HostWait:
        manager = watch.wait(self.context(), watched)
        self.contexts.append(manager)
        return manager.__enter__()

    def waits(self, count: int, queue: str = "", **options: Any) -> list[Waiter]:
        return [Waiter(self, self.process(queue), self.cluster(**options)) for _ in range(count)]

    def pass_time(self, waiters: list[Waiter], seconds: float) -> None:
        """Let time pass, with each process looking at the snapshot in turn, as often as processes do."""
        ends = self.clock.seconds + seconds
        while self.clock.seconds < ends:
            for one in waiters:
                one.look()
            self.clock.seconds += 0.5

    def event(self, watched: Watched, kind: str = "EMR Step Status Change", **changes: Any) -> None:
        body = {"source": "aws.emr", "detail-type": kind, "detail": {"clusterId": watched.cluster_id}}
        self.message(json.dumps(body | changes))

    def message(self, body: str) -> None:
        held = self.aws.queues.setdefault(QUEUE, [])
        held.append(effects.Message(body=body, receipt=f"{len(held)}-{self.clock.seconds}"))

    def calls(self, *names: str) -> int:
        return sum(name in names for name in self.aws.calls)


class Waiter:
    """A process that waits for the steps of a cluster; `woken` are the times at which it would ask AWS."""

    def __init__(self, host: Host, watch: HostWatch, watched: Watched) -> None:
        self.host, self.watch, self.watched = host, watch, watched
        self.context = host.context()
        self.wait = host.begin(watch, watched)
        self.woken: list[float] = []

    def look(self) -> None:
        """Look once, as `pause` does in its loop."""
        self.watch.look(self.context, 0.0)
        if self.wait._has_news():
            self.woken.append(self.host.clock.seconds)
            self.watch.leave()

    def pause(self, seconds: float = INTERVAL, most: float = 1e9, *, changed: bool = False) -> float:
        """Pause as a wait does; return for how long."""
        started = self.host.clock.seconds
        self.wait.pause(self.context, seconds, most, changed=changed)
        return self.host.clock.seconds - started
