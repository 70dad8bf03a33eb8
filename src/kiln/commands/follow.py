"""`kiln logs -f`: what steps write, as they write it; in cluster mode their drivers' containers, too.

Over SSH while the nodes live, then from S3: kiln.diagnosis.log_files counts the bytes of each log.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln.commands.follow_screen import TerminalScreen
from kiln.diagnosis import log_files, logs, node_logs
from kiln.diagnosis.log_files import LogFile
from kiln.diagnosis.node_feed import Feed, Idle, Lost, News
from kiln.diagnosis.stored_rest import StoredRest
from kiln.emr import clusters, states
from kiln.errors import ClusterNotFoundError, PreflightError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Instance, Step
    from kiln.commands.follow_screen import Screen
    from kiln.diagnosis.ssh import Ssh

_POLL_SECONDS = 2.0
# How long a turn waits for news.
_TURN_SECONDS = 0.5
# Each is a connection of its own.
_MOST_NODES = 50
# After as many lost connections in a row a node of a live cluster is given up.
_MOST_LOST = 5
OWN_FILES = ("stderr", "stdout")
DRIVER, EVERY_CONTAINER = "container_*_000001", "container_*"


class DriverSearch:
    """Finds in a step's output the YARN application whose first container is the driver."""

    def __init__(self) -> None:
        self._application = ""
        self._is_client = False

    def see(self, text: str) -> None:
        """Read a line. A driver in client mode writes to the step's own files, and reports itself first."""
        self._is_client = self._is_client or logs.CLIENT_MODE in text
        if match := logs.APPLICATION.search(text):
            self._application = match[1]

    def take(self, *, also_of_client: bool = False) -> str:
        """Return the application once it is known, else nothing."""
        found, self._application = self._application, ""
        return "" if self._is_client and not also_of_client else found


@dataclass
class StepFollow:
    """A step that is followed. `idle` are the feeds that were read to their ends since the step ended."""

    step: Step
    files: dict[str, LogFile] = field(default_factory=dict)
    search: DriverSearch = field(default_factory=DriverSearch)
    applications: list[str] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    idle: set[Feed] = field(default_factory=set)
    lost: Counter[Feed] = field(default_factory=Counter)
    has_ended: bool = False
    is_done: bool = False

    def is_read(self) -> bool:
        """Return whether the step has ended and all that its nodes have was shown."""
        return self.has_ended and all(one in self.idle or self.gave_up(one) for one in self.feeds)

    def gave_up(self, feed: Feed) -> bool:
        """Return whether a node cannot be reached any more."""
        return self.lost[feed] >= _MOST_LOST

    def has_lost_some(self) -> bool:
        """Return whether a node did not answer when it was asked last."""
        return any(self.lost[feed] for feed in self.feeds)


@dataclass
class Follower:
    """Follows steps of a run on one cluster.

    `own_files` are those of a step, `containers` the pattern of the YARN containers that are followed. `more`
    returns steps that have been added, and None once no further ones are expected; `look` returns steps as
    they are now, by their ids.
    """

    context: Context
    cluster: Cluster
    ssh: Ssh
    more: Callable[[], Sequence[Step] | None]
    look: Callable[[Sequence[str]], Mapping[str, Step]]
    screen: Screen = field(default_factory=TerminalScreen)
    own_files: Sequence[str] = OWN_FILES
    containers: str = DRIVER
    _steps: dict[str, StepFollow] = field(default_factory=dict)
    _owners: dict[Feed, StepFollow] = field(default_factory=dict)
    _news: queue.SimpleQueue[tuple[Feed, News]] = field(default_factory=queue.SimpleQueue)
    _wake: threading.Event = field(default_factory=threading.Event)
    _poll_at: float = 0.0

    def run(self) -> None:
        """Show what the steps write until they have ended.

        Raises PreflightError when the master of a live cluster cannot be reached, ClusterNotFoundError for a
        cluster without a master.
        """
        try:
            while self._turn():
                self.screen.turn()
                self.context.stop.check()
                self.context.clock.wait(_TURN_SECONDS, self._wake)
        finally:
            for feed in self._owners:
                feed.close()

    def wake(self) -> None:
        """Ask about the steps at once; from any thread."""
        self._poll_at = 0.0
        self._wake.set()

    def _turn(self) -> bool:
        """Take what has come, ask when it is time; return whether any step is still to be followed."""
        self._wake.clear()
        self._take_news()
        now = self.context.clock.monotonic()
        if now < self._poll_at:
            return True
        self._poll_at = now + _POLL_SECONDS
        return self._poll()

    def _sink(self, feed: Feed, news: News) -> None:
        self._news.put((feed, news))
        self._wake.set()

    def _take_news(self) -> None:
        while True:
            try:
                feed, news = self._news.get_nowait()
            except queue.Empty:
                return
            self._take(self._owners[feed], feed, news)

    def _take(self, one: StepFollow, feed: Feed, news: News) -> None:
        if isinstance(news, Lost):
            self._take_lost(one, feed, news)
            return
        one.lost[feed] = 0
        if isinstance(news, Idle):
            if one.has_ended and feed not in one.idle:
                one.idle.add(feed)
                # It may have been the last one.
                self._poll_at = 0.0
        elif key := log_files.key_of(news.path):
            one.idle.discard(feed)
            file = one.files.setdefault(key, LogFile(key))
            self._show(one, file, file.take_from_node(news.begin, news.body))

    def _take_lost(self, one: StepFollow, feed: Feed, news: Lost) -> None:
        is_master, was_ever = feed is one.feeds[0], bool(one.lost[feed] or one.files)
        if is_master and not (news.was_connected or was_ever) and self._is_up():
            raise PreflightError(
                f"the master of cluster {self.cluster.id} cannot be read over SSH: {news.why}",
                fix="without -f the logs come from S3, some minutes later",
            )
        if not one.lost[feed] and not one.is_done:
            self.screen.note(f"kiln: {feed.address}: {news.why}; going on where it stopped")
        one.lost[feed] += 1

    def _show(self, one: StepFollow, file: LogFile, lines: Iterable[str]) -> None:
        """Show lines of a log."""
        found = list(lines)
        is_own = file.key.startswith("steps/")
        for line in found if is_own else ():
            one.search.see(line)
        if found:
            self.screen.lines(one.step.name, file.key, found, is_only_step=len(self._steps) == 1)
        if application := one.search.take(also_of_client=self.containers != DRIVER):
            self._follow_containers(one, application)

    def _poll(self) -> bool:
        """Ask EMR about the steps; return whether any is still to be followed."""
        more = self.more()
        for step in more or ():
            if step.id not in self._steps:
                self._begin(step)
        left = [one for one in self._steps.values() if not one.is_done]
        seen = self.look([one.step.id for one in left]) if left else {}
        for one in left:
            one.step = seen.get(one.step.id, one.step)
            one.has_ended = one.has_ended or one.step.state in states.STEP_ENDED
        is_up = not any(one.has_lost_some() for one in left) or self._is_up()
        for one in left:
            if not is_up or (one.is_read() and any(map(one.gave_up, one.feeds))):
                self._read_stored(one)
            elif one.is_read():
                self._finish(one)
        return more is not None or not all(one.is_done for one in self._steps.values())

    def _is_up(self) -> bool:
        """Return whether the cluster's nodes may still answer: until it has ended."""
        seen = clusters.seen(self.context, self.cluster.id)
        return seen is not None and seen.state in states.CLUSTER_LIVE

    def _begin(self, step: Step) -> None:
        nodes = self._running_nodes()
        masters = [node for node in nodes if node.group == "MASTER"]
        one = self._steps[step.id] = StepFollow(step)
        if not masters and not self._is_up():
            return
        if not masters:
            raise ClusterNotFoundError(f"cluster {self.cluster.id} has no master to read from")
        folder = f"{node_logs.STEPS_FOLDER}/{step.id}"
        patterns = [f"{folder}/{name}" for name in self.own_files]
        self._open(one, self.ssh.knowing(nodes), masters[0].private_ip_address, patterns)

    def _running_nodes(self) -> list[Instance]:
        listed = self.context.effects.list_instances(self.cluster.id)
        return [node for node in listed if node.state == "RUNNING"]

    def _follow_containers(self, one: StepFollow, application: str) -> None:
        if application in one.applications:
            return
        one.applications.append(application)
        if not one.feeds:
            # Read from S3.
            return
        folder = f"{node_logs.CONTAINERS_FOLDER}/{application}/{self.containers}"
        nodes = self._running_nodes()
        for node in nodes[:_MOST_NODES]:
            patterns = [f"{folder}/{name}" for name in OWN_FILES]
            self._open(one, self.ssh.knowing(nodes), node.private_ip_address, patterns)

    def _open(self, one: StepFollow, ssh: Ssh, address: str, patterns: Sequence[str]) -> None:
        feed = Feed(ssh, address, patterns, self._sink)
        one.feeds.append(feed)
        self._owners[feed] = one
        feed.start()

    def _read_stored(self, one: StepFollow) -> None:
        """Show the rest from S3: the nodes are gone."""
        self._close(one)
        stored = StoredRest(
            context=self.context,
            base=f"{self.cluster.log_uri}{self.cluster.id}/" if self.cluster.log_uri else "",
            files=one.files,
            show=lambda file, lines: self._show(one, file, lines),
        )
        self.screen.note(f"kiln: step {one.step.name}: the nodes are gone, reading on in S3")
        problem = stored.read(one.step.id, self.own_files, self.containers, one.applications)
        if problem:
            self.screen.note(f"kiln: step {one.step.name}: {problem}")
        self._finish(one)

    def _close(self, one: StepFollow) -> None:
        for feed in one.feeds:
            feed.close()
        # What had come before the end of the connections.
        self._take_news()
        one.feeds = []

    def _finish(self, one: StepFollow) -> None:
        one.is_done = True
        self._close(one)
        for file in one.files.values():
            if rest := file.flush():
                self._show(one, file, [rest])
        self.screen.note(f"step {one.step.name}: {one.step.state}")
