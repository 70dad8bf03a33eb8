"""What the run needs of playbooks, and what goes on beside one while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kiln.phases import Phase
    from kiln.playbooks.events import NodeSeen
    from kiln.reporter import Reporter
    from kiln.stop import Stop


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """What goes on beside a playbook: who gets its reports, what ends it, for how many `seconds` it may run.

    `followed_by` is the phase that this command does next with the same arguments; one playbook may do both.
    `tick` is called again and again. `on_cluster` gets the id of a cluster as soon as a task has launched it,
    `on_nodes` what emr_node_apply has done on each node or, in check mode, has found there.
    """

    reporter: Reporter
    stop: Stop
    seconds: float
    followed_by: Phase | None = None
    tick: Callable[[], None] = _nothing
    on_cluster: Callable[[str], None] = _nothing
    on_nodes: Callable[[Mapping[str, NodeSeen]], None] = _nothing


class Playbooks(Protocol):
    """What the run needs of Ansible."""

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        """Run playbooks/<name>.yml of a phase; return whether any task changed something.

        Raises PlaybookError, InterruptedRunError, DeadlineError.
        """

    def close(self) -> None:
        """End what nobody waits for any more."""
