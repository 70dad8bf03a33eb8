"""A machine layer around another one, for what changes some of its methods."""

# ruff: noqa: D102  # NodeLayer documents the methods

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrbox.emr.life.layer import Checkpoint, NodeLayer, Pace, SessionRun, StepOutcome, StepRun
    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Group, Instance, Place, Purchase, Session, Step, TypeConfig


class WrappedLayer:
    """Passes every call on to the inner layer. The methods are documented in NodeLayer."""

    def __init__(self, inner: NodeLayer) -> None:
        self.inner = inner

    @property
    def pace(self) -> Pace:
        return self.inner.pace

    def places(self) -> list[Place]:
        return self.inner.places()

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:
        return self.inner.room(role, asked, market, zone)

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        return self.inner.launch(group, purchase)

    def boot(self, check: Checkpoint) -> None:
        self.inner.boot(check)

    def bootstrap(self, check: Checkpoint) -> None:
        self.inner.bootstrap(check)

    def provision(self, check: Checkpoint) -> None:
        self.inner.provision(check)

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        self.inner.boot_more(group, instances, check)

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:
        return self.inner.join(group, instances, check)

    def reconfigure(self, group: Group) -> None:
        self.inner.reconfigure(group)

    def order_to_leave(self, group: Group) -> list[Instance]:
        return self.inner.order_to_leave(group)

    def decommission(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        self.inner.decommission(group, instances, check)

    def end(self, instances: Sequence[Instance]) -> None:
        self.inner.end(instances)

    def protect(self, *, protected: bool) -> None:
        self.inner.protect(protected=protected)

    def start_step(self, step: Step, report: Callable[[StepOutcome], None]) -> StepRun:
        return self.inner.start_step(step, report)

    def start_session(self, session: Session, report: Callable[[str], None]) -> SessionRun:
        return self.inner.start_session(session, report)

    def lost_instances(self) -> set[str]:
        return self.inner.lost_instances()

    def unhealthy(self) -> set[str]:
        return self.inner.unhealthy()

    def examine(self) -> None:
        self.inner.examine()

    def busy(self) -> bool:
        return self.inner.busy()

    def load(self) -> Load | None:
        return self.inner.load()

    def refusal_of_scaling_role(self, role: str) -> str | None:
        return self.inner.refusal_of_scaling_role(role)

    def tag_instances(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        self.inner.tag_instances(set_tags, remove_keys)

    def push_logs(self) -> None:
        self.inner.push_logs()

    def may_shut_down(self) -> bool:
        return self.inner.may_shut_down()

    def shut_down(self) -> None:
        self.inner.shut_down()
