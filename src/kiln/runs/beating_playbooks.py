"""Playbooks that keep the heartbeat of their driver while they run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.phases import Phase
    from kiln.playbooks.supervision import Playbooks, Supervision


@dataclass(frozen=True)
class BeatingPlaybooks:
    """`kiln.playbooks.runner.Playbooks` around others."""

    inner: Playbooks
    beat: Callable[[], None]

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        """Run a playbook; return whether any task changed something."""

        def tick() -> None:
            self.beat()
            supervision.tick()

        return self.inner.run(phase, arguments, replace(supervision, tick=tick))

    def close(self) -> None:
        """End what nobody waits for any more."""
        self.inner.close()
