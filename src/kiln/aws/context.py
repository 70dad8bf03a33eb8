"""What functions that call AWS or wait are given: effects, clock, stop request, deadline, report."""

from __future__ import annotations

import math
import random
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from kiln.aws.retrying import Retrying
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from kiln.aws.effects import Effects
    from kiln.aws.tokens import Tokens
    from kiln.aws.watch import Node, Watched
    from kiln.clock import Clock


def _discard(_line: str) -> None:
    """Report to nobody."""


def _allow(_operation: str) -> None:
    """Allow every call."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """`aws` makes one attempt of each call; everybody uses `effects`, which repeats what may be repeated.

    `report` gets one line per change; it is what a person sees below the running phase. `ends_at` is a
    deadline on the clock's monotonic time: no call is repeated and no wait goes on after it.
    `guard` is called with the name of each operation before a try of it; what it raises refuses the call.
    `watch` is what the processes of this host poll together, `tokens` their rate of calls (kiln.watching);
    without them each process polls for itself and nothing but AWS limits it.
    `by_hand`: somebody runs a playbook, so errors advise ansible-playbook and not kiln.
    """

    aws: Effects
    clock: Clock
    stop: Stop = field(default_factory=Stop)
    report: Callable[[str], None] = _discard
    # Jitter only: nothing here is a secret.
    random: random.Random = field(default_factory=random.Random)
    by_hand: bool = False
    ends_at: float = math.inf
    guard: Callable[[str], None] = _allow
    # Set with the first answer of AWS.
    reached: threading.Event = field(default_factory=threading.Event)
    watch: Watch | None = None
    tokens: Tokens | None = None

    @property
    def effects(self) -> Retrying:
        """All that kiln does to AWS or asks of it, on the terms of this context."""
        return Retrying(
            inner=self.aws,
            clock=self.clock,
            stop=self.stop,
            report=self.report,
            random=self.random,
            ends_at=self.ends_at,
            reached=self.reached,
            guard=self.guard,
            tokens=self.tokens,
        )

    def within(self, seconds: float) -> Context:
        """Return the same context with a deadline in `seconds`, or with its own when that is earlier."""
        return replace(self, ends_at=min(self.ends_at, self.clock.monotonic() + seconds))

    def unguarded(self) -> Context:
        """Return the context for undoing what this process itself has just done."""
        return replace(self, guard=_allow)

    def is_over(self) -> bool:
        """Return whether the deadline has passed."""
        return self.clock.monotonic() >= self.ends_at

    def unstoppable(self) -> Context:
        """Return the context of a teardown: no signal and no deadline of the work before it interrupts it."""
        return replace(self, stop=Stop(), ends_at=math.inf)


class Wait(Protocol):
    """One wait, from before its first poll to its end."""

    def about(self, watched: Watched) -> None:
        """Change what the wait is about."""

    def pause(self, context: Context, seconds: float, most_seconds: float, *, changed: bool) -> None:
        """Return when it is time to poll again.

        That is when something may have changed, else after `seconds`, or later while somebody else polls for
        all, but not after more than `most_seconds`. `changed`: the last poll saw something new.
        """


class Watch(Protocol):
    """What the processes of a host poll together; kiln.watching has the one that is used.

    It decides when AWS is asked, never what is true: who is woken asks AWS.
    """

    def wait(self, context: Context, watched: Watched) -> AbstractContextManager[Wait]:
        """Begin a wait. What changes from now on wakes it."""

    def nodes(self, context: Context, cluster_id: str) -> Mapping[str, Node] | None:
        """Return the EC2 instances of a cluster by their ids; None when nobody polls them."""

    @property
    def waits(self) -> int:
        """Return how many waits there are on this host, as far as known: at least 1."""
