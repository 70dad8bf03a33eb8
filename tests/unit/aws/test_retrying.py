"""Which call is repeated after which error, for how long, and what ends that."""

from __future__ import annotations

import dataclasses
import inspect
import signal
from typing import TYPE_CHECKING, Any

import pytest

from kiln.aws import operations
from kiln.aws.effects import CatalogPartition, CatalogTable, Effects, LogEvent
from kiln.aws.operations import OPERATIONS, Repeat
from kiln.errors import (
    AwsError,
    ConditionFailedError,
    InterruptedRunError,
    KilnError,
    ThrottledError,
    UnansweredError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context

TABLE = CatalogTable(database="d", name="t", location="s3://b/t/", columns=())
PARTITION = CatalogPartition(database="d", table="t", values=("x",), location="s3://b/t/x/", columns=())
ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "run_job_flow": (({},), {}),
    "describe_cluster": (("j-1",), {}),
    "release_applications": (("emr-spark-8.0.0",), {}),
    "supported_instance_types": (("emr-spark-8.0.0",), {}),
    "list_clusters": ((("RUNNING",),), {}),
    "list_instances": (("j-1",), {}),
    "add_steps": (("j-1", []), {}),
    "list_steps": (("j-1",), {}),
    "cancel_steps": (("j-1", ["s-1"]), {}),
    "terminate_cluster": (("j-1",), {}),
    "set_termination_protection": (("j-1",), {"protected": False}),
    "get_object": (("s3://b/k",), {}),
    "put_object": (("s3://b/k", b"x"), {"replaces": None}),
    "list_objects": (("s3://b/k",), {}),
    "list_instance_groups": (("j-1",), {}),
    "list_lost_instances": (("j-1",), {}),
    "add_tags": (("j-1", {"k": "v"}), {}),
    "set_idle_timeout": (("j-1", 600), {}),
    "find_instances": (({},), {}),
    "find_images": (("self", {}), {}),
    "console_output": (("i-1",), {"latest": True}),
    "tag_resources": ((["ami-1"], {}), {}),
    "deregister_image": (("ami-1",), {}),
    "delete_snapshot": (("snap-1",), {}),
    "terminate_instances": ((["i-1"],), {}),
    "receive_messages": (("https://queue", 20), {}),
    "delete_messages": (("https://queue", ["r"]), {}),
    "publish": (("arn:aws:sns:us-east-1:123456789012:topic", "subject", "text"), {}),
    "create_log_stream": (("/g", "s"), {}),
    "put_log_events": (("/g", "s", [LogEvent(0, "x")]), {}),
    "has_database": (("d",), {}),
    "create_database": (("d",), {}),
    "get_table": (("d", "t"), {}),
    "create_table": ((TABLE,), {}),
    "update_table": ((TABLE,), {}),
    "get_partition": (("d", "t", ["x"]), {}),
    "create_partition": ((PARTITION,), {}),
    "update_partition": ((PARTITION,), {}),
    "caller_identity": ((), {}),
}
ERRORS: dict[str, Callable[[], KilnError]] = {
    "throttled": lambda: ThrottledError("Rate exceeded"),
    "unanswered": lambda: UnansweredError("nobody answers", code="NoAnswer", operation="X"),
    "unreachable": lambda: UnreachableError("no connection", code="Unreachable", operation="X"),
    "refused": lambda: AwsError("refused", code="AccessDenied", operation="X"),
}
CREATING = [name for name, row in OPERATIONS.items() if row.repeat is Repeat.WITHOUT_EFFECT]
OTHERS = [name for name in OPERATIONS if name not in CREATING]


class Failing:
    """An AWS of which one operation fails, `times` times or always; reads of objects find nothing."""

    def __init__(self, operation: str, error: str, times: int | None = None) -> None:
        self.operation, self.error, self.times = operation, error, times
        self.calls: list[str] = []
        self.during: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            self.calls.append(name)
            if name != self.operation:
                return None
            self.during()
            if self.times is None or self.calls.count(name) <= self.times:
                error = ERRORS[self.error]()
                raise error
            return "done"

        return call


def call(context: Context, operation: str) -> Any:
    arguments, named = ARGUMENTS[operation]
    return getattr(context.effects, operation)(*arguments, **named)


def on(context: Context, aws: Failing, **changes: Any) -> Context:
    context.reached.set()
    return dataclasses.replace(context, aws=aws, **changes)


def test_every_operation_has_a_row_with_its_reason() -> None:
    methods = {name for name, _ in inspect.getmembers(Effects, inspect.isfunction) if name[0] != "_"}
    assert set(OPERATIONS) == methods == set(ARGUMENTS)
    assert all(row.why for row in OPERATIONS.values())


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_is_repeated_while_aws_throttles(context: Context, operation: str) -> None:
    aws = Failing(operation, "throttled", times=6)
    call(on(context, aws), operation)
    assert aws.calls.count(operation) == 7


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_refusal_is_never_repeated(context: Context, operation: str) -> None:
    aws = Failing(operation, "refused")
    with pytest.raises(AwsError, match="refused"):
        call(on(context, aws), operation)
    assert aws.calls == [operation]


@pytest.mark.parametrize("operation", sorted(CREATING))
def test_a_creating_call_without_an_answer_is_never_repeated(context: Context, operation: str) -> None:
    aws = Failing(operation, "unanswered")
    with pytest.raises(UnansweredError):
        call(on(context, aws), operation)
    assert aws.calls == [operation]


@pytest.mark.parametrize("operation", sorted(OTHERS))
def test_other_calls_without_an_answer_are_repeated(context: Context, operation: str) -> None:
    aws = Failing(operation, "unanswered", times=6)
    call(on(context, aws), operation)
    assert aws.calls.count(operation) == 7


LIMITS = [
    *((name, "throttled", operations.CREATE_SECONDS) for name in CREATING),
    *((name, "unreachable", operations.CREATE_SECONDS) for name in CREATING),
    *((name, "throttled", operations.THROTTLED_SECONDS) for name in OTHERS),
    *((name, "unreachable", operations.UNANSWERED_SECONDS) for name in OTHERS),
    *((name, "unanswered", operations.UNANSWERED_SECONDS) for name in OTHERS),
]


@pytest.mark.parametrize(("operation", "error", "seconds"), LIMITS)
def test_repeating_has_a_limit(
    context: Context, clock: VirtualClock, operation: str, error: str, seconds: float
) -> None:
    with pytest.raises(type(ERRORS[error]())):
        call(on(context, Failing(operation, error)), operation)
    assert seconds <= clock.seconds < seconds + 1


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_nothing_is_repeated_after_the_deadline_of_the_caller(
    context: Context, clock: VirtualClock, operation: str
) -> None:
    aws = Failing(operation, "throttled")
    with pytest.raises(ThrottledError):
        call(on(context, aws).within(20), operation)
    assert 20 <= clock.seconds < 20.1


def test_a_context_without_time_left_makes_one_attempt(context: Context, clock: VirtualClock) -> None:
    aws = Failing("list_steps", "throttled")
    with pytest.raises(ThrottledError):
        call(on(context, aws).within(0), "list_steps")
    assert (aws.calls, clock.seconds) == (["list_steps"], 0)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_endpoint_that_was_never_reached_is_reported_soon(
    context: Context, clock: VirtualClock, operation: str
) -> None:
    fresh = on(context, Failing(operation, "unreachable"))
    fresh.reached.clear()
    with pytest.raises(UnreachableError):
        call(fresh, operation)
    assert clock.seconds < 6


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_stop_request_ends_the_repeating(context: Context, clock: VirtualClock, operation: str) -> None:
    aws = Failing(operation, "throttled")
    aws.during = lambda: context.stop.request(signal.SIGTERM)
    with pytest.raises(InterruptedRunError):
        call(on(context, aws), operation)
    assert (aws.calls, clock.seconds) == ([operation], 0)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_call_of_the_teardown_is_repeated_after_a_stop_request(
    context: Context, clock: VirtualClock, operation: str
) -> None:
    context.stop.request(signal.SIGTERM)
    aws = Failing(operation, "throttled", times=6)
    call(on(context, aws), operation)
    assert aws.calls.count(operation) == 7
    assert clock.seconds > 1, "without pauses the calls follow each other at once"


def test_a_lost_write_that_happened_is_not_written_again(context: Context, aws: FakeAws) -> None:
    aws.faults[0] = "lost_after"
    first = context.effects.put_object("s3://b/k", b"one", replaces=None)
    assert aws.calls == ["PutObject", "GetObject"]
    aws.faults[3] = "lost_after"
    assert context.effects.put_object("s3://b/k", b"one", replaces=first) == first


def test_a_lost_write_that_did_not_happen_is_written(context: Context, aws: FakeAws) -> None:
    aws.faults[0] = "lost_before"
    context.effects.put_object("s3://b/k", b"one", replaces=None)
    assert aws.calls == ["PutObject", "GetObject", "PutObject"]


def test_a_lost_write_beside_another_writer_is_a_failed_condition(context: Context, aws: FakeAws) -> None:
    aws.faults[0] = "lost_before"

    def another_writer(at: int) -> None:
        if at == 1:
            aws.objects["s3://b/k"] = b"theirs"

    aws.before_call = another_writer
    with pytest.raises(ConditionFailedError):
        context.effects.put_object("s3://b/k", b"ours", replaces=None)
    assert aws.objects["s3://b/k"] == b"theirs"
