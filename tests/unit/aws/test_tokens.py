"""The token buckets that the processes of a host share."""

from __future__ import annotations

import fcntl
import json
import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes import VirtualClock
from hostile import documents, many
from hypothesis import given

from kiln.aws.context import Context
from kiln.aws.operations import OPERATIONS
from kiln.aws.quotas import BUCKETS, CALLS, EVERY
from kiln.aws.tokens import SharedTokens
from kiln.errors import ThrottledError

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeAws


@pytest.fixture
def tokens(tmp_path: Path, clock: VirtualClock) -> SharedTokens:
    clock.seconds = 5000.0
    return SharedTokens(tmp_path / "tokens.json", clock)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


def taken(tokens: SharedTokens, operation: str) -> int:
    """Return how many calls may be made at once."""
    count = 0
    while tokens.take(operation, 1e6) == 0:
        count += 1
    return count


@pytest.mark.parametrize("operation", CALLS)
def test_the_calls_of_a_host_stay_within_their_share_of_the_published_rate(
    tokens: SharedTokens, clock: VirtualClock, operation: str
) -> None:
    buckets = [BUCKETS[name] for name in CALLS[operation]]
    assert taken(tokens, operation) == int(min(one.most for one in buckets))
    started, count = clock.seconds, 40
    for _ in range(count):
        clock.seconds += tokens.take(operation, 1e6)
    slowest = min(one.refill * one.share for one in buckets)
    # The one that `taken` found to be too many counts as well.
    assert clock.seconds - started >= (count - 1) / slowest


def test_processes_share_the_buckets(tokens: SharedTokens) -> None:
    other = SharedTokens(tokens.file, tokens.clock)
    assert taken(tokens, "list_steps") == 5
    assert other.take("list_steps", 1e6) > 0


def test_pages_that_were_read_delay_later_calls(tokens: SharedTokens) -> None:
    tokens.charge("list_clusters", 30)
    assert tokens.take("list_clusters", 1e6) > 60


def test_calls_of_other_services_wait_for_nothing(tokens: SharedTokens) -> None:
    others = set(OPERATIONS) - set(CALLS)
    assert {"get_object", "find_instances", "receive_messages"} <= others
    assert all(tokens.take(one, 0) == 0 for one in others for _ in range(300))


def test_every_operation_has_a_bucket_that_is_published() -> None:
    assert {name for names in CALLS.values() for name in names} | {EVERY} == set(BUCKETS)
    assert set(CALLS) <= set(OPERATIONS)


def test_what_ends_something_has_the_whole_rate() -> None:
    assert {name for name, one in BUCKETS.items() if one.share == 1} == {
        "CancelSteps",
        "TerminateJobFlows",
        "SetTerminationProtection",
    }


def test_a_call_waits_for_its_token_within_its_deadline(
    aws: FakeAws, tokens: SharedTokens, clock: VirtualClock
) -> None:
    context = Context(aws=aws, clock=clock, tokens=tokens, random=random.Random(1))  # noqa: S311  # jitter
    started = clock.seconds
    for _ in range(15):
        context.effects.list_clusters(())
    assert 15 <= clock.seconds - started <= 30
    with pytest.raises(ThrottledError, match="share of EMR's quota for ListClusters"):
        context.within(1).effects.list_clusters(())
    assert len(aws.calls) == 15


def test_a_call_that_may_be_made_once_does_not_wait_for_a_token(
    aws: FakeAws, tokens: SharedTokens, clock: VirtualClock
) -> None:
    context = Context(aws=aws, clock=clock, tokens=tokens)
    taken(tokens, "list_clusters")
    started = clock.seconds
    with pytest.raises(ThrottledError):
        replace(context).within(0).effects.list_clusters(())
    assert clock.seconds == started


@many
@given(value=documents())
def test_no_content_of_the_file_delays_a_call_for_good(folder: Path, value: object) -> None:
    tokens = SharedTokens(folder / "tokens.json", VirtualClock())
    tokens.file.write_text(json.dumps(dict.fromkeys(BUCKETS, value)))
    assert tokens.take("list_steps", 1e9) <= 5000
    tokens.file.write_text(json.dumps(value))
    assert tokens.take("list_steps", 1e9) == 0


def test_times_of_before_a_restart_delay_nothing(tokens: SharedTokens) -> None:
    tokens.file.write_text(json.dumps(dict.fromkeys(BUCKETS, 1e9)))
    assert tokens.take("run_job_flow", 0) == 0


def test_a_stopped_process_that_has_the_lock_delays_calls_for_a_second_only(
    tokens: SharedTokens, clock: VirtualClock
) -> None:
    handle = os.open(tokens.file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    started = clock.seconds
    assert tokens.take("list_steps", 0) == 0
    assert clock.seconds - started <= 1.1
    os.close(handle)


def test_a_file_that_cannot_be_written_limits_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    tokens = SharedTokens(tmp_path / "absent/tokens.json", clock)
    assert all(tokens.take("list_steps", 0) == 0 for _ in range(50))
