"""The result of `kiln run`: filled while the run works, printed as one line of JSON at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import phases
from kiln.emr.states import Verdict
from kiln.exit_codes import NAMES, ExitCode

if TYPE_CHECKING:
    from kiln.errors import KilnError
    from kiln.ledger.schema import Phase
    from kiln.runs.outputs import Output

VERSION = 1


class StepResult(msgspec.Struct, kw_only=True):
    """A step in the result."""

    name: str
    id: str
    state: str
    seconds: float | None = None
    # Its failure does not fail the run.
    optional: bool = False


class AttemptResult(msgspec.Struct, kw_only=True):
    """An attempt that failed, and after which a new cluster was launched."""

    cluster_id: str | None
    failure_class: str
    message: str
    settings: dict[str, Any] = {}


class Result(msgspec.Struct, kw_only=True):
    """What `kiln run` prints as JSON. Fields are only ever added; a change of meaning raises `version`."""

    version: int = VERSION
    kind: str = "run"
    environment: str
    pipeline: str
    run_id: str
    verdict: str = Verdict.RUNNING.value
    exit_code: int = 0
    exit_name: str = "ok"
    # A name of kiln.failure_classes; empty when nothing failed.
    failure_class: str = ""
    # The phase whose failure the exit code is about.
    phase: str | None = None
    message: str = ""
    fix: str = ""
    details: list[str] = []
    # Why a step or a launch failed: kind, headline, advice. The kind of a step's is one of
    # kiln.diagnosis.known_causes, a launch's its failure class.
    cause: dict[str, str] | None = None
    cluster_id: str | None = None
    cluster_state: str | None = None
    # Until when the cluster is kept for debugging.
    held_until: str = ""
    seconds: float = 0.0
    # Attempts before the last one.
    attempts: list[AttemptResult] = []
    phases: list[Phase] = []
    steps: list[StepResult] = []
    outputs: list[Output] = []
    # What bake_image came to: id and fingerprint of the image to launch from.
    image: dict[str, str] = {}
    logs: list[str] = []
    ledger: str = ""
    next: list[str] = []

    def take_over(self, failure: KilnError, first: KilnError | None) -> None:
        """Put a failure into the result; `first` is the one that came before, when this one outweighs it."""
        before = f" (before that: {first.message})" if first is not None and first is not failure else ""
        self.exit_code, self.exit_name = int(failure.exit_code), failure.exit_code.name.lower()
        self.failure_class = failure.failure_class.value
        self.message, self.fix = failure.message + before, failure.fix
        self.details = self.details or list(failure.details)
        if self.cause is None and self.phase == phases.LAUNCH.name and first is not None:
            kind = first.failure_class.value
            self.cause = {"kind": kind, "headline": first.message, "advice": first.fix}

    def skip(self, message: str) -> None:
        """End with exit code 99: there was nothing to do, and the caller asked for that."""
        self.exit_code, self.exit_name, self.message = int(ExitCode.SKIP), NAMES[ExitCode.SKIP], message

    def give_up(self, error: KilnError, settings: dict[str, Any]) -> None:
        """Begin anew after an attempt that failed: what it did is no part of the outcome."""
        failed = AttemptResult(
            cluster_id=self.cluster_id,
            failure_class=error.failure_class.value,
            message=error.message,
            settings=settings,
        )
        self.attempts.append(failed)
        self.cluster_id = self.cluster_state = self.phase = self.cause = None
        self.steps, self.details = [], []
