"""Lines sent to CloudWatch Logs: batches within the limits of PutLogEvents, and what becomes of errors."""

from __future__ import annotations

import pytest
from fakes import FakeAws, VirtualClock

from kiln.aws.context import Context
from kiln.diagnosis.log_stream import EVENT_BYTES, MOST_BYTES, MOST_EVENTS, LogStream

GROUP, NAME = "/kiln/local/clicks", "clicks/r1"


class Stream:
    """A stream in an account in memory, and what it has told."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.aws = FakeAws(self.clock)
        self.told: list[str] = []
        self.stream = LogStream(Context(aws=self.aws, clock=self.clock), GROUP, NAME, self.told.append)

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.aws.log_streams.get((GROUP, NAME), [])]

    @property
    def messages(self) -> list[str]:
        return [one.message for batch in self.aws.log_streams.get((GROUP, NAME), []) for one in batch]


@pytest.fixture
def world() -> Stream:
    return Stream()


def test_lines_are_sent_once_a_second_in_their_order(world: Stream) -> None:
    for line in ("one", "two"):
        world.stream.add(line)
        world.stream.flush_if_due()
    assert world.messages == ["one"]
    world.clock.seconds += 1
    world.stream.flush_if_due()
    world.stream.flush_if_due()
    assert world.messages == ["one", "two"]
    assert world.aws.calls == ["CreateLogStream", "PutLogEvents", "PutLogEvents"]


def test_a_batch_has_no_more_events_than_the_api_takes(world: Stream) -> None:
    for number in range(MOST_EVENTS + 1):
        world.stream.add(f"line {number}")
    world.stream.flush()
    assert world.sizes == [MOST_EVENTS, 1]
    assert world.messages[-1] == f"line {MOST_EVENTS}"


@pytest.mark.parametrize("character", ["x", "ü", "\N{GRINNING FACE}"])
def test_a_batch_has_no_more_bytes_than_the_api_takes_and_a_long_line_is_several_events(
    world: Stream, character: str
) -> None:
    line = character * 400_000
    for _ in range(3):
        world.stream.add(line)
    world.stream.flush()
    assert "".join(world.messages) == line * 3
    for batch in world.aws.log_streams[GROUP, NAME]:
        sizes = [len(one.message.encode()) + EVENT_BYTES for one in batch]
        assert sum(sizes) <= MOST_BYTES
        assert max(sizes) <= 256 * 1024


def test_times_never_go_back_when_the_clock_does(world: Stream) -> None:
    world.stream.add("one")
    world.clock.seconds -= 3600
    world.stream.add("two")
    world.stream.flush()
    first, second = world.aws.log_streams[GROUP, NAME][0]
    assert first.milliseconds == second.milliseconds


def test_after_a_refusal_nothing_more_is_sent_and_that_is_told_once(world: Stream) -> None:
    world.aws.faults[0] = "refused"
    for line in ("one", "two"):
        world.stream.add(line)
        world.stream.flush()
    assert world.aws.calls == ["CreateLogStream"]
    (told,) = world.told
    assert GROUP in told
    assert "no more logs are sent there" in told


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
def test_a_batch_whose_answer_was_lost_is_not_sent_again_and_the_next_one_is_sent(
    world: Stream, lost: str
) -> None:
    world.aws.faults[1] = lost
    for line in ("one", "two"):
        world.stream.add(line)
        world.stream.flush()
    assert world.messages == (["two"] if lost == "lost_before" else ["one", "two"])
    assert len(world.told) == 1
    assert "1 lines may be missing" in world.told[0]
