"""Every error that a person may meet: an exit code, one clear line, and what to do next."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class KilnError(Exception):
    """Base of all expected errors.

    `message` is one line. `fix` says what to change or type, `details` holds further lines (a list of
    clusters, a step's traceback) that are shown below the line. `cluster_id` is a cluster that had been
    launched when the error came: the end of the run has to end it. `step_id` is a step that was on its way
    then: a run that leaves its cluster has to cancel it. `failure_class` decides whether a whole run is tried
    again on a new cluster (kiln.failure_classes).
    """

    exit_code = ExitCode.INTERNAL
    failure_class = FailureClass.INTERNAL
    cluster_id: str | None = None
    step_id: str | None = None

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        details: tuple[str, ...] = (),
        exit_code: ExitCode | None = None,
        failure_class: FailureClass | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details = details
        if exit_code is not None:
            self.exit_code = exit_code
        if failure_class is not None:
            self.failure_class = failure_class


class UsageError(KilnError):
    """A wrong command line or setting, or one that contradicts a step of the run."""

    exit_code = ExitCode.USAGE
    failure_class = FailureClass.SETTINGS


class PreflightError(KilnError):
    """Something outside the settings is missing. Nothing was launched."""

    exit_code = ExitCode.PREFLIGHT
    failure_class = FailureClass.PERMISSION


class LaunchError(KilnError):
    """The cluster did not come up."""

    exit_code = ExitCode.LAUNCH
    failure_class = FailureClass.UNKNOWN


class PlaybookError(KilnError):
    """An Ansible task failed."""

    exit_code = ExitCode.PROVISION
    failure_class = FailureClass.PROVISION


class StepFailedError(KilnError):
    """A step ended FAILED or INTERRUPTED, or its cluster ended under it."""

    exit_code = ExitCode.STEP_FAILED
    failure_class = FailureClass.USER_CODE


class StepCancelledError(KilnError):
    """A step ended CANCELLED."""

    exit_code = ExitCode.STEP_CANCELLED
    failure_class = FailureClass.CANCELLED


class DeadlineError(KilnError):
    """A wait took longer than its settings allow."""

    exit_code = ExitCode.DEADLINE
    failure_class = FailureClass.DEADLINE


class ClusterNotFoundError(KilnError):
    """No cluster, several clusters, or one in the wrong state."""

    exit_code = ExitCode.CLUSTER_NOT_FOUND
    failure_class = FailureClass.NOT_FOUND


class StepNotFoundError(KilnError):
    """EMR does not know a step (yet: a read may lag behind the call that made it)."""

    exit_code = ExitCode.CLUSTER_NOT_FOUND
    failure_class = FailureClass.NOT_FOUND


class UnknownOutcomeError(KilnError):
    """A call that creates got no answer, and nothing shows whether it had an effect. It is not repeated."""

    exit_code = ExitCode.LAUNCH
    failure_class = FailureClass.UNANSWERED


class LockedError(KilnError):
    """Another run of the pipeline, or another command for this run, is at work: that of `run_id`."""

    exit_code = ExitCode.LOCKED
    failure_class = FailureClass.LOCKED
    run_id = ""
    driver_id = ""


class FencedError(LockedError):
    """Another command has taken this one for dead and works on the run in its place.

    Whoever gets it makes no further change to AWS, and does not end the cluster either.
    """


class ThrottledError(KilnError):
    """AWS kept refusing calls for being too many."""

    exit_code = ExitCode.THROTTLED
    failure_class = FailureClass.THROTTLED


class ShareUsedError(ThrottledError):
    """Kiln's own processes on this host leave a call no turn within its time: nothing refused it."""


class NotTerminatedError(KilnError):
    """DescribeCluster did not say that the cluster ended within the time allowed."""

    exit_code = ExitCode.NOT_TERMINATED
    failure_class = FailureClass.NOT_TERMINATED


class InterruptedRunError(KilnError):
    """SIGINT or SIGTERM came."""

    exit_code = ExitCode.INTERRUPTED
    failure_class = FailureClass.CANCELLED


class AwsError(KilnError):
    """An AWS call was answered with an error that no rule of kiln expects.

    `code` is AWS's error code (`ValidationException`), `operation` the call (`RunJobFlow`).
    """

    exit_code = ExitCode.PREFLIGHT
    failure_class = FailureClass.PERMISSION

    def __init__(self, message: str, *, code: str, operation: str, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.code = code
        self.operation = operation


class InstanceFleetsError(AwsError):
    """An operation on instance groups was called for a cluster of instance fleets."""


class UnansweredError(AwsError):
    """No answer came (connection lost, time-out, 5xx): the effect may or may not have happened."""

    exit_code = ExitCode.THROTTLED
    failure_class = FailureClass.THROTTLED


class UnreachableError(UnansweredError):
    """No connection was made: the call was not sent and had no effect."""

    exit_code = ExitCode.PREFLIGHT
    failure_class = FailureClass.PERMISSION


class ConditionFailedError(AwsError):
    """A conditional write found another version of the object (HTTP 412, or 409 for a race)."""


@contextmanager
def naming(cluster_id: str) -> Iterator[None]:
    """Let every expected error in this block carry the id of a cluster that has been launched."""
    try:
        yield
    except KilnError as error:
        error.cluster_id = cluster_id
        raise


@contextmanager
def naming_step(step_id: str) -> Iterator[None]:
    """Let every expected error in this block carry the id of a step that is on its cluster."""
    try:
        yield
    except KilnError as error:
        error.step_id = step_id
        raise


def caught(work: Callable[[], object]) -> KilnError | None:
    """Do something and return what went wrong: not even a fault in kiln may leave a cluster behind."""
    try:
        work()
    except KilnError as error:
        return error
    except Exception as error:  # noqa: BLE001  # whatever it is, the cluster comes first
        return KilnError(f"fault in kiln: {type(error).__name__}: {error}", fix="report this")
    return None
