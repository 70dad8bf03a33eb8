"""What people see of a run, on a terminal and in a log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from kiln.display.bars import Bars
from kiln.display.duration import duration
from kiln.display.progress import Lines
from kiln.reporter import QUIET_SECONDS

if TYPE_CHECKING:
    from fakes import VirtualClock


def drawn(width: int, clock: VirtualClock, *, fails: bool) -> list[str]:
    """Return the last picture of a run of three phases whose second one may fail."""
    screen = io.StringIO()
    bars = Bars(clock, {"launch": 50}, ["launch", "deploy", "sd"], Console(file=screen, width=width))
    with bars.phase("launch"):
        bars.now("a [task] whose name is much longer than what is left of the terminal's width " * 2)
        bars.line("cluster j-1: WAITING [x]")
    with pytest.raises(KeyError) if fails else bars.phase("deploy"):
        if fails:
            with bars.phase("deploy"):
                raise KeyError
    bars.close()
    return [line.rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_every_phase_of_the_plan_is_one_row_that_fits(clock: VirtualClock, width: int) -> None:
    lines = drawn(width, clock, fails=True)
    assert [line[:12].split() for line in lines[-3:]] == [["✔", "launch"], ["✘", "deploy"], ["·", "sd"]]
    assert max(len(line) for line in lines) <= width
    assert any("cluster j-1: WAITING [x]" in line for line in lines)


def test_a_phase_that_was_not_planned_gets_a_row(clock: VirtualClock) -> None:
    screen = io.StringIO()
    bars = Bars(clock, {}, ["launch"], Console(file=screen, width=80))
    with bars.phase("terminate"):
        pass
    bars.close()
    assert "✔ terminate" in screen.getvalue()


def test_a_log_gets_one_line_a_change(clock: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(clock, {"sd": 65})
    with lines.phase("sd"):
        clock.seconds = 61
        lines.now("nothing")
        lines.line("step sd: RUNNING")
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "   0:00 sd         started (last time 1:05)",
        "   1:01 sd         step sd: RUNNING",
        "   1:01 sd         done in 1:01",
    ]


def ticked(lines: Lines, clock: VirtualClock, seconds: float) -> None:
    """Let time pass while nothing changes, as in the wait for a step."""
    ends_at = clock.seconds + seconds
    while clock.seconds < ends_at:
        clock.seconds += 10
        lines.tick()


def test_a_log_in_which_nothing_changes_says_every_five_minutes_what_goes_on(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock, {"sd": 1200})
    with lines.phase("launch"):
        lines.now("launch | Wait for the cluster")
        ticked(lines, clock, QUIET_SECONDS - 10)
        lines.line("cluster j-1: WAITING")
    with lines.phase("sd"):
        lines.line("step sd: RUNNING")
        ticked(lines, clock, 2 * QUIET_SECONDS)
        lines.now("packages 3/20 nodes")
        ticked(lines, clock, QUIET_SECONDS)
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "   0:00 launch     started",
        "   4:50 launch     cluster j-1: WAITING",
        "   4:50 launch     done in 4:50",
        "   4:50 sd         started (last time 20:00)",
        "   4:50 sd         step sd: RUNNING",
        "   9:50 sd         step sd: RUNNING for 5:00 (last time sd took 20:00)",
        "  14:50 sd         step sd: RUNNING for 10:00 (last time sd took 20:00)",
        "  19:50 sd         packages 3/20 nodes for 5:00 (last time sd took 20:00)",
        "  19:50 sd         done in 15:00",
    ]


def test_what_has_shown_nothing_is_at_work_since_its_own_beginning(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock, {})
    ticked(lines, clock, QUIET_SECONDS)
    with lines.phase("left"):
        clock.seconds += 60
        with lines.phase("right"):
            pass
        ticked(lines, clock, QUIET_SECONDS)
    shown = [line for line in capsys.readouterr().err.splitlines() if "at work" in line]
    assert shown == ["   5:00            at work for 5:00", "  11:00 left       at work for 6:00"]


def test_bars_get_no_line_while_nothing_changes(clock: VirtualClock) -> None:
    screen = io.StringIO()
    bars = Bars(clock, {}, ["sd"], Console(file=screen, width=80))
    with bars.phase("sd"):
        clock.seconds = 10 * QUIET_SECONDS
        bars.tick()
    bars.close()
    assert "sd" in screen.getvalue()
    assert " for " not in screen.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65, "1:05"), (3725.4, "1:02:05")])
def test_a_duration_reads_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_phases_side_by_side_keep_their_names(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock, {})
    left, right = lines.phase("left"), lines.phase("right")
    left.__enter__()
    right.__enter__()
    left.__exit__(None, None, None)
    lines.line("step right: RUNNING")
    right.__exit__(None, None, None)
    lines.line("over")
    shown = [line[8:].split(maxsplit=1) for line in capsys.readouterr().err.splitlines()]
    assert shown == [
        ["left", "started"],
        ["right", "started"],
        ["left", "done in 0:00"],
        ["right", "step right: RUNNING"],
        ["right", "done in 0:00"],
        ["over"],
    ]


def test_bars_of_phases_side_by_side_each_show_how_they_ended(clock: VirtualClock) -> None:
    screen = io.StringIO()
    bars = Bars(clock, {}, ["left", "right"], Console(file=screen, width=80))
    left, right = bars.phase("left"), bars.phase("right")
    left.__enter__()
    right.__enter__()
    left.__exit__(None, None, None)
    bars.line("still at work")
    right.__exit__(KeyError, KeyError(), None)
    bars.close()
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert any("right" in line and "still at work" in line for line in lines)
    assert [line[:12].split() for line in lines[-2:]] == [["✔", "left"], ["✘", "right"]]
