"""Application UIs that answer at once, or not, as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emrbox.emr.life.app_uis import AppUis, UiError
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.presigned import Presigned

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 4566


@dataclass
class ScriptedPages:
    """What serves pages, on clusters and off them."""

    applications: set[str] = field(default_factory=set)
    answers: bool = True
    problem: str | None = None
    reports: list[Callable[[str | None], None]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def has_application(self, _: Any, application_id: str) -> bool:
        return application_id in self.applications

    def open_history(self, _: Any) -> bool:
        return self.answers

    def attach(self, _: Any, report: Callable[[str | None], None]) -> None:
        self.reports.append(report)

    def open(self, ui: Any) -> None:
        if self.problem:
            raise UiError(self.problem)
        self.opened.append(ui.id)

    def address_of(self, ui_id: str) -> str | None:
        return "10.213.0.3" if ui_id in self.opened else None

    def forget(self, ui: Any) -> None:
        self.forgotten.append(ui.id)

    def forget_account(self, account_id: str) -> None:
        self.forgotten.append(account_id)


def scripted_uis(pages: ScriptedPages | None = None, clock: Any = None) -> AppUis:
    pages, clock = pages or ScriptedPages(), clock or SystemClock()
    return AppUis(pages, pages, Presigned(clock, PORT), clock)
