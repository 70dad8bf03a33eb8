"""The steps of a run on one cluster: order, concurrency, failures, deadlines, signals, clean-up steps."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape
from hypothesis import given, settings
from hypothesis import strategies as st
from run_world import LIMITS, World, cause_of

from kiln.emr import add_steps
from kiln.errors import (
    DeadlineError,
    InterruptedRunError,
    KilnError,
    StepCancelledError,
    StepFailedError,
    ThrottledError,
    caught,
)
from kiln.ledger import cancel_request
from kiln.ledger.schema import Phase
from kiln.runs import to_do
from kiln.runs.result import Result
from kiln.runs.step_graph import StepGraph
from kiln.settings import step_needs
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def step(name: str, *needs: str, **more: Any) -> StepSettings:
    given = {"needs": needs} if needs else {}
    return StepSettings(name=name, jar="command-runner.jar", args=("true",), **(given | more))


DIAMOND = (step("load"), step("left", "load"), step("right", "load"), step("join", "left", "right"))


class Bench:
    """A cluster that runs `level` steps side by side, and a graph of steps on it."""

    def __init__(self, steps: Sequence[StepSettings], level: int = 1, **changes: Any) -> None:
        self.world = World()
        self.aws, self.clock, self.steps = self.world.aws, self.world.clock, steps
        self.world.playbooks.shape = shape(step_concurrency_level=level)
        assert self.world.run("launch").exit_code == 0
        self.lines: list[str] = []
        self.phases: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.graph = StepGraph(
            context=replace(self.world.context, report=self.lines.append),
            ledger=self.world.ledger,
            limits=LIMITS,
            needs=step_needs.of(steps),
            cancels=True,
            phase=self.phase,
            explain=lambda _context, _cluster, seen: cause_of(seen),
        )
        for name, value in changes.items():
            setattr(self.graph, name, value)

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        self.phases.append((name, "begins"))
        self.open.append(name)
        entry = Phase(name=name, status="failed", seconds=0.0)
        try:
            yield entry
        except KilnError:
            self.phases.append((name, "fails"))
            raise
        finally:
            self.open.remove(name)
        self.phases.append((name, "did" if entry.changed else "had done"))

    def run(self, *names: str) -> None:
        chosen = [one for one in self.steps if not names or one.name in names]
        self.graph.run(self.aws.describe_cluster("j-0001"), chosen)

    def added(self) -> list[str]:
        return [one.request.name for one in self.aws.clusters["j-0001"].steps]

    def states(self) -> dict[str, str]:
        cluster = self.aws.clusters["j-0001"]
        return {one.request.name: self.aws.step_state(cluster, one) for one in cluster.steps}

    def most_at_once(self) -> int:
        spans = [(one.created, one.created + one.seconds) for one in self.aws.clusters["j-0001"].steps]
        return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def test_steps_that_need_nothing_of_each_other_run_side_by_side() -> None:
    bench = Bench(DIAMOND, level=2)
    bench.run()
    assert bench.added() == ["load", "left", "right", "join"]
    assert bench.most_at_once() == 2
    begun = {one.request.name: one.created for one in bench.aws.clusters["j-0001"].steps}
    assert begun["right"] < begun["left"] + 20
    assert begun["join"] >= begun["right"] + 20


def test_no_more_steps_are_added_than_the_cluster_runs_side_by_side() -> None:
    for level in (1, 2, 3):
        bench = Bench([step(name, needs=()) for name in "abcdef"], level=level)
        bench.run()
        assert bench.added() == list("abcdef")
        assert bench.most_at_once() == level


def test_a_plain_list_is_a_sequence_whatever_the_cluster_could_do() -> None:
    bench = Bench([step(name) for name in "abc"], level=5)
    bench.run()
    assert bench.added() == ["a", "b", "c"]
    assert bench.most_at_once() == 1


def test_many_active_steps_are_asked_for_with_ten_ids_a_call() -> None:
    bench = Bench([step(f"s{at}", needs=()) for at in range(25)], level=25)
    bench.run()
    assert bench.most_at_once() == 25  # FakeAws refuses more than 10 ids


def test_after_a_failure_nothing_is_added_and_what_runs_is_waited_for() -> None:
    bench = Bench([*DIAMOND, step("after", "right")], level=2)
    bench.aws.step_outcomes["left"] = "FAILED"
    with pytest.raises(StepFailedError, match="step left"):
        bench.run()
    assert bench.states() == {"load": "COMPLETED", "left": "FAILED", "right": "COMPLETED"}
    causes = {one.settings.name: one.cause.headline for one in bench.graph.ended if one.cause}
    assert causes["left"] == "ValueError in left"


def test_two_failures_are_one_error_that_names_both() -> None:
    bench = Bench([step("a", needs=()), step("b", needs=())], level=2)
    bench.aws.step_outcomes = {"a": "FAILED", "b": "FAILED"}
    with pytest.raises(StepFailedError) as error:
        bench.run()
    assert error.value.message.startswith("step a ")
    assert error.value.message.endswith("; also failed: b")


def test_an_optional_step_fails_neither_the_run_nor_what_needs_it() -> None:
    bench = Bench([step("a", optional=True), step("b")])
    bench.aws.step_outcomes["a"] = "FAILED"
    bench.run()
    assert bench.states() == {"a": "FAILED", "b": "COMPLETED"}
    assert any("a is optional, and failed" in line for line in bench.lines)
    assert ("a", "did") in bench.phases


def test_clean_up_steps_run_after_success_and_after_failure() -> None:
    for outcome in ("COMPLETED", "FAILED"):
        bench = Bench([step("clean", always=True), step("a"), step("b"), step("report", always=True)])
        bench.aws.step_outcomes["a"] = outcome
        try:
            bench.run()
        except StepFailedError:
            assert bench.added() == ["a", "clean", "report"]
        else:
            assert bench.added() == ["a", "b", "clean", "report"]


def test_a_clean_up_step_that_fails_fails_the_run_and_stops_no_other() -> None:
    bench = Bench([step("a"), step("clean", always=True), step("report", always=True)])
    bench.aws.step_outcomes["clean"] = "FAILED"
    with pytest.raises(StepFailedError, match="step clean"):
        bench.run()
    assert bench.added() == ["a", "clean", "report"]


@pytest.mark.parametrize("optional", [True, False])
def test_a_cancelled_run_begins_nothing_also_when_its_next_step_is_optional(*, optional: bool) -> None:
    bench = Bench([step("a", optional=optional), step("clean", always=True)])
    cancel_request.ask(bench.world.ledger)
    with pytest.raises(StepCancelledError):
        bench.run()
    assert bench.added() == []


@pytest.mark.parametrize("why", ["deadline", "cluster"])
def test_clean_up_steps_are_not_begun_when_nothing_more_may_be(why: str) -> None:
    bench = Bench([step("a"), step("clean", always=True)])
    if why == "deadline":
        bench.aws.step_seconds = 5000
        bench.graph.context = bench.graph.context.within(100)
    else:
        bench.graph.on_poll = lambda *_: bench.aws.terminate_cluster("j-0001")
    with pytest.raises(KilnError):
        bench.run()
    assert "clean" not in bench.added()
    assert any("not begun any more: clean" in line for line in bench.lines)


def test_a_late_step_is_cancelled_and_the_others_go_on() -> None:
    bench = Bench([step("slow", needs=(), timeout_seconds=60), step("b", needs=()), step("c", "b")], level=2)
    bench.aws.step_seconds = 100
    with pytest.raises(DeadlineError, match="step slow took longer than 60 s"):
        bench.run()
    assert bench.states() == {"slow": "CANCELLED", "b": "COMPLETED"}
    assert [entry.state for entry in bench.world.remembered().steps] == ["CANCELLED", "COMPLETED"]


def test_no_step_is_begun_after_the_runs_deadline() -> None:
    bench = Bench([step("a"), step("b"), step("clean", always=True)])
    bench.graph.context = bench.graph.context.within(5000)
    left = bench.phase

    @contextmanager
    def phase(name: str) -> Iterator[Phase]:
        with left(name) as entry:
            yield entry
        bench.clock.seconds += 5000

    bench.graph.phase = phase
    with pytest.raises(DeadlineError, match="step b was not begun"):
        bench.run()
    assert bench.added() == ["a"]


def test_the_runs_deadline_cancels_all_that_is_active_with_one_call() -> None:
    bench = Bench([step(name, needs=()) for name in "abc"], level=3)
    bench.aws.step_seconds = 5000
    bench.graph.context = bench.graph.context.within(200)
    with pytest.raises(DeadlineError) as error:
        bench.run()
    assert error.value.message.endswith("also failed: b, c")
    assert bench.aws.calls.count("CancelSteps") == 1
    assert set(bench.states().values()) == {"CANCELLED"}


def test_a_signal_cancels_all_that_is_active() -> None:
    bench = Bench([step(name, needs=()) for name in "abc"], level=3)
    stop = bench.graph.context.stop
    bench.graph.on_poll = lambda *_: stop.request(signal.SIGTERM)
    with pytest.raises(InterruptedRunError):
        bench.run()
    assert set(bench.states().values()) == {"CANCELLED"}
    assert [name for name, what in bench.phases if what == "fails"] == ["a", "b", "c"]


def test_a_signal_leaves_steps_whose_cluster_is_ended_anyway() -> None:
    bench = Bench([step("a")], cancels=False)
    stop = bench.graph.context.stop
    bench.graph.on_poll = lambda *_: stop.request(signal.SIGTERM)
    with pytest.raises(InterruptedRunError):
        bench.run()
    assert "CancelSteps" not in bench.aws.calls


def test_a_late_step_that_ignores_its_cancellation_is_killed_when_the_cluster_stays() -> None:
    killed: list[str] = []

    def kill(_context: object, _cluster: object, seen: Any) -> str:
        killed.append(seen.id)
        return "application_1_0001 was killed"

    bench = Bench([step("a", timeout_seconds=60)], kill=kill)
    bench.aws.step_seconds, bench.aws.ignores_interrupt = 5000, True
    with pytest.raises(DeadlineError) as error:
        bench.run()
    assert "it was cancelled" in error.value.fix
    assert killed == ["s-000101"]
    assert bench.aws.calls.count("CancelSteps") == 2
    assert len([line for line in bench.lines if "has ignored its cancellation" in line]) == 1
    assert any("application_1_0001 was killed" in line for line in bench.lines)


def test_phases_are_left_with_what_became_of_their_steps() -> None:
    bench = Bench([step("a"), step("b")])
    bench.aws.step_outcomes["b"] = "FAILED"
    bench.run("a")
    with pytest.raises(StepFailedError):
        bench.run()
    assert bench.phases == [
        *(("a", "begins"), ("a", "did")),
        *(("a", "begins"), ("a", "had done"), ("b", "begins"), ("b", "fails")),
    ]


def test_a_cancelled_run_adds_no_step_also_when_the_request_comes_between_two_calls() -> None:
    for call in range(8):
        bench = Bench([step("a"), step("b")])
        first = len(bench.aws.calls)

        def cancel(at: int, bench: Bench = bench, wanted: int = first + call) -> None:
            if at == wanted and bench.aws.calls[-1] in {"GetObject", "PutObject"}:
                bench.aws.before_call = lambda _: None
                cancel_request.ask(bench.world.ledger)

        bench.aws.before_call = cancel
        error = caught(bench.run)
        if error is not None:
            assert isinstance(error, StepCancelledError)
            assert "nothing more is begun" in error.message
            assert "resume model_building" in error.fix
            assert "b" not in bench.added()


def test_a_fault_in_kiln_leaves_no_phase_open() -> None:
    bench = Bench([step("a")])
    bench.aws.before_call = lambda at: bench.aws.faults.update(
        {at: "bug"} if bench.aws.calls[at] == "AddJobFlowSteps" else {}
    )
    with pytest.raises(RuntimeError):
        bench.run()
    assert bench.open == []


@pytest.mark.parametrize("kind", [StepCancelledError, KilnError])
def test_what_is_noticed_while_steps_run_ends_them_or_leaves_them(kind: type[KilnError]) -> None:
    bench = Bench([step("a")])

    def notice(*_: object) -> None:
        raise kind("noticed")

    bench.graph.on_poll = notice
    with pytest.raises(kind, match="noticed"):
        bench.run()
    assert bench.states() == {"a": "CANCELLED" if kind is StepCancelledError else "RUNNING"}


def test_throttling_leaves_what_runs_and_is_the_error() -> None:
    bench = Bench([step("a", needs=()), step("b", needs=())], level=2)
    bench.aws.step_seconds = 5000
    bench.graph.limits = msgspec.structs.replace(LIMITS, step_seconds=50_000)
    bench.aws.before_call = lambda at: bench.aws.faults.update(
        {at: "throttled"} if bench.aws.calls[-1] == "ListSteps" and bench.clock.seconds > 120 else {}
    )
    with pytest.raises(ThrottledError):
        bench.run()
    assert bench.states() == {"a": "RUNNING", "b": "RUNNING"}
    assert [one.settings.name for one in bench.graph.ended] == ["a", "b"]


def test_a_lost_answer_of_a_repeatable_step_is_not_waited_for() -> None:
    for kind in ("lost_before", "lost_after"):
        for repeatable in (True, False):
            bench = Bench([step("a", repeatable=repeatable)])
            lost: list[int] = []

            def lose(at: int, bench: Bench = bench, lost: list[int] = lost, kind: str = kind) -> None:
                if bench.aws.calls[-1] == "AddJobFlowSteps" and not lost:
                    lost.append(at)
                    bench.aws.faults[at] = kind

            bench.aws.before_call = lose
            begun = bench.clock.seconds
            error = caught(bench.run)
            assert (error is not None) == (not repeatable and kind == "lost_before")
            # One that shows up at once is not added twice, although it might be.
            assert error or (bench.added() == ["a"] and bench.clock.seconds < begun + 40)


def test_steps_run_again_only_when_asked_for() -> None:
    bench = Bench([step("a"), step("b")])
    bench.run()
    bench.run()
    assert bench.added() == ["a", "b"]
    bench.graph.again = {"b"}
    bench.run()
    assert bench.added() == ["a", "b", "b"]
    kept = bench.world.remembered()
    assert [(entry.name, entry.step_id) for entry in kept.steps][1:] == [("b", "s-000102"), ("b", "s-000103")]


def test_an_active_step_is_not_doubled_by_asking_for_it_again() -> None:
    bench = Bench([step("a")])
    first, _ = add_steps.add(bench.world.context, "j-0001", bench.steps[0], bench.world.ledger)
    bench.graph.again = {"a"}
    bench.run()
    assert bench.added() == ["a"]
    assert bench.graph.ended[-1].seen is not None
    assert bench.graph.ended[-1].seen.id == first.id


@settings(max_examples=200)
@given(data=st.data())
def test_any_graph_runs_each_step_once_after_what_it_needs(data: st.DataObject) -> None:
    names = [f"s{at}" for at in range(data.draw(st.integers(1, 6)))]
    steps = []
    for at, name in enumerate(names):
        before = data.draw(st.sets(st.sampled_from(names[:at]))) if at else set()
        optional = data.draw(st.booleans())
        steps.append(step(name, needs=tuple(sorted(before)), optional=optional))
    outcomes = {name: data.draw(st.sampled_from(["COMPLETED", "COMPLETED", "FAILED"])) for name in names}
    bench = Bench(data.draw(st.permutations(steps)), level=data.draw(st.integers(1, 4)))
    bench.aws.step_outcomes = outcomes
    bad = {one.name for one in steps if outcomes[one.name] == "FAILED" and not one.optional}
    try:
        bench.run()
    except StepFailedError:
        assert bad & set(bench.added())
    else:
        assert sorted(bench.added()) == names
        assert not bad
    assert len(set(bench.added())) == len(bench.added())
    begun = {one.request.name: one.created for one in bench.aws.clusters["j-0001"].steps}
    for one in steps:
        for need in one.needs or ():
            if one.name in begun:
                assert begun[need] + 20 <= begun[one.name]
                assert need not in bad


def result() -> Result:
    return Result(environment="local", pipeline="model_building", run_id="r1")


def test_what_was_decided_is_done_and_what_is_skipped_stands_in_the_result() -> None:
    bench = Bench([step("a"), step("b"), step("c")])
    bench.aws.step_outcomes["b"] = "FAILED"
    with pytest.raises(StepFailedError):
        bench.run()
    bench.aws.step_outcomes.clear()
    bench.lines.clear()
    bench.phases.clear()
    run = bench.world.remembered()
    found = to_do.plan(bench.world.context, run, bench.steps, bench.graph.needs, cluster_id="j-0001")
    filled = result()
    bench.graph.do(bench.aws.describe_cluster("j-0001"), found, filled)
    assert bench.added() == ["a", "b", "b", "c"]
    assert [(one.name, one.id, one.state) for one in filled.steps] == [
        ("a", "s-000101", "COMPLETED"),
        ("b", "s-000103", "COMPLETED"),
        ("c", "s-000104", "COMPLETED"),
    ]
    assert ("a", "had done") in bench.phases


def test_a_clean_up_step_runs_again_after_the_steps_that_run_again() -> None:
    bench = Bench([step("a"), step("clean", always=True)])
    bench.aws.step_outcomes["a"] = "FAILED"
    with pytest.raises(StepFailedError):
        bench.run()
    bench.aws.step_outcomes.clear()
    run = bench.world.remembered()
    found = to_do.plan(bench.world.context, run, bench.steps, bench.graph.needs, cluster_id="j-0001")
    bench.graph.do(bench.aws.describe_cluster("j-0001"), found, result())
    assert bench.added() == ["a", "clean", "a", "clean"]
