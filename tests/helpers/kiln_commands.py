"""`kiln run` in an account in memory, with a virtual clock and playbooks that only do what they do to AWS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from drivers_world import STATE, Drivers
from fakes import FakePlaybooks, shape
from run_world import STEPS

from kiln import cli
from kiln.commands import run_session, shared
from kiln.runs import preflight
from kiln.runs.beating_playbooks import BeatingPlaybooks
from kiln.settings import notification_rows, resolve
from kiln.settings.cloudwatch_logs import CloudwatchLogs
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.system_settings import SystemSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from kiln.aws.context import Context
    from kiln.commands.job import Job
    from kiln.emr.at_work import AtWork


class Commands(Drivers):
    """The same account, and `kiln run` in it."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "ds": "2026-11-20",
            "steps": STEPS,
            "emr_cluster_existing": ExistingCluster(),
            "kiln_cloudwatch_logs": CloudwatchLogs(),
            "kiln_state_uri": STATE,
            "kiln_owner": "ops",
            "kiln_terminate_timeout_seconds": 300,
            "kiln_poll_interval_seconds": 5,
            "kiln_run_timeout_seconds": 3600,
            "kiln_step_timeout_seconds": 600,
            "kiln_after_failure": "terminate",
            "kiln_after_success": "terminate",
            "kiln_hold_seconds": 1800,
            "kiln_attempts": 1,
            "kiln_attempt_delay_seconds": 0,
            "kiln_alternatives": (),
            "kiln_most_node_hours": 0,
            "model_repo_url": "",
            "emr_node_os_packages": ("jq",),
            "emr_node_files": (),
            "emr_node_system_settings": SystemSettings(),
            "emr_node_python_requirements": "",
            "model_repo_branch": "",
            "emr_node_environment_hash": "",
            "kiln_parallel_runs": 1,
            "kiln_if_running": "fail",
            "kiln_notifications": (),
        }
        self.contexts: list[Context] = []
        self.shape = shape()

    def new_context(self, *_: Any) -> Context:
        self.contexts.append(self.context())
        return self.contexts[-1]

    def playbooks(self, job: Job, at_work: AtWork | None) -> Any:
        if at_work is None:  # nothing but the end of a cluster
            return FakePlaybooks(None, job.identity, None, self.shape)
        inner = FakePlaybooks(at_work.context, job.identity, at_work.ledger, self.shape)
        inner.steps = self.settings["steps"] if not self.shape.keep_alive else ()
        return BeatingPlaybooks(inner, at_work.presence.beat_if_due)

    def kiln(self, run_id: str, *more: str, actions: tuple[str, ...] = ()) -> int:
        return cli.main(["run", "model_building", *actions, "--env", "local", "--run-id", run_id, *more])

    def on_wait(self, work: Callable[[], None]) -> None:
        """Do something the first time that somebody waits for more than a second."""
        wait = self.clock.wait
        done: list[float] = []

        def waited(seconds: float, wake: Any) -> None:
            if seconds > 1 and not done:
                done.append(seconds)
                work()
            wait(seconds, wake)

        self.clock.wait = waited  # type: ignore[method-assign]  # the test's own clock

    def replace_parts(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        """Put this account in the place of settings, checks, AWS and playbooks; `folder` is the checkout."""
        monkeypatch.setenv("KILN_CHECKOUT", str(folder))
        monkeypatch.setattr(resolve, "run_settings", lambda _: (SimpleNamespace(**self.settings), self.shape))
        monkeypatch.setattr(resolve, "part", lambda *_: SimpleNamespace(**self.settings))
        # There are no files of settings.
        monkeypatch.setattr(
            notification_rows, "may_be_set", lambda *_: bool(self.settings["kiln_notifications"])
        )
        monkeypatch.setattr(preflight, "check", lambda *_: None)
        monkeypatch.setattr(run_session.Session, "context", self.new_context)
        monkeypatch.setattr(run_session, "_playbooks", self.playbooks)
        # Nothing of the host is shared: the context is that of the world.
        monkeypatch.setattr(shared, "sharing", lambda context, *_: context)
