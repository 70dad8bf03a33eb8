"""Who polls for the processes of a host, and when the others are woken."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from kiln.watching import host as host_module
from kiln.watching.poller import FEW

if TYPE_CHECKING:
    from watch_host import Host


def test_one_process_polls_for_all(host: Host) -> None:
    waiters = host.waits(10)
    host.aws.calls.clear()
    host.pass_time(waiters, 120)
    assert host.calls("DescribeCluster") == 0
    assert 120 / 15 - 2 <= host.calls("ListClusters") <= 120 / 12
    assert sum(one.watch._poller._handle is not None for one in waiters) == 1


def test_the_calls_grow_with_pages_of_clusters_and_not_with_runs(host: Host) -> None:
    waiters = host.waits(200)
    host.aws.calls.clear()
    host.pass_time(waiters[:10], 300)
    pages = host.calls("ListClusters") * 4
    assert pages + host.calls("ListSteps", "DescribeCluster") <= 5 * 12


def test_an_ended_step_wakes_its_own_wait_only(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    before = [len(one.woken) for one in waiters]
    host.end_step(waiters[3].watched)
    host.pass_time(waiters, 20)
    assert [len(one.woken) for one in waiters] == [count + (at == 3) for at, count in enumerate(before)]


def test_the_end_of_one_of_several_steps_is_seen_though_the_cluster_goes_on(host: Host) -> None:
    waiters = [*host.waits(FEW), *host.waits(2, steps=3)]
    host.pass_time(waiters, 60)
    host.end_step(waiters[-1].watched, 1)
    seen = len(waiters[-1].woken)
    host.pass_time(waiters, 60)
    assert len(waiters[-1].woken) == seen + 1


def test_a_lost_node_wakes_its_wait(host: Host) -> None:
    waiters = host.waits(10)
    host.add_node(waiters[2].watched, "i-0000000000000000a")
    host.pass_time(waiters, 60)
    seen = len(waiters[2].woken)
    host.lose_node("i-0000000000000000a")
    host.pass_time(waiters, 20)
    assert len(waiters[2].woken) == seen + 1
    nodes = waiters[5].watch.nodes(waiters[5].context, waiters[2].watched.cluster_id)
    assert nodes is not None
    assert nodes["i-0000000000000000a"].reason_code == "Server.SpotInstanceTermination"


def test_a_wait_relies_on_the_poller_while_that_sees_nothing_to_ask(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    host.on_tick(waiters[1].look)
    assert waiters[0].pause() >= 900


def test_a_wait_never_pauses_longer_than_its_deadline(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    assert 100 <= waiters[0].pause(most=100) < 103


def test_few_waits_poll_for_themselves(host: Host) -> None:
    waiters = host.waits(FEW)
    host.aws.calls.clear()
    host.pass_time(waiters, 60)
    assert host.aws.calls == []
    assert 15 <= waiters[0].pause() < 16


def test_a_step_that_ended_before_the_next_round_is_not_missed(host: Host) -> None:
    """The cluster was WAITING before the step began, and is again: its state alone never changes."""
    waiters = [*host.waits(9), *host.waits(1, step_seconds=0)]
    host.pass_time(waiters, 60)
    assert waiters[-1].pause() < 16


def test_after_news_aws_is_asked_again_soon_because_its_reads_lag(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    waiters[1].wait._attention = list(host_module._ATTENTION_SECONDS)
    host.on_tick(waiters[0].look)
    pauses = [waiters[1].pause() for _ in range(3)]
    assert [round(pause) for pause in pauses] == [1, 2, 4]


def test_another_process_takes_over_when_the_poller_goes_on_with_its_work(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 30)
    assert waiters[0].watch._poller._handle is not None
    waiters[0].watch.leave()
    host.aws.calls.clear()
    host.pass_time(waiters[1:], 60)
    assert waiters[1].watch._poller._handle is not None
    assert 2 <= host.calls("ListClusters") <= 5


def test_a_stopped_poller_lets_each_poll_for_itself(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    assert waiters[5].watch.is_polled(waiters[5].context)
    # Process 0 holds the lock and does nothing more.
    paused = waiters[5].pause()
    assert paused <= 2 * 15 + 1
    assert 15 <= waiters[5].pause() < 16


def test_a_poller_that_goes_on_is_relied_on_again(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    waiters[5].pause()
    assert not waiters[5].watch.is_polled(waiters[5].context)
    host.pass_time(waiters, 5)
    assert waiters[5].watch.is_polled(waiters[5].context)


def test_a_snapshot_of_before_is_not_relied_on(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    late = host.waits(1)[0]
    late.watch.look(late.context, 0.0)
    assert not late.watch.is_polled(late.context)


def test_the_wait_of_a_killed_process_is_forgotten(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 10)
    waiters[9].wait._registration._close()  # the kernel closes what a killed process has open
    host.pass_time(waiters[:9], 10)
    assert waiters[0].watch.waits == 9
    assert len(list((host.folder / "waits").glob("*.json"))) == 9


def test_a_wait_that_is_over_is_forgotten(host: Host) -> None:
    waiters = host.waits(10)
    host.contexts.pop().__exit__(None, None, None)
    host.pass_time(waiters[:9], 10)
    assert waiters[0].watch.waits == 9


def test_throttling_slows_the_poller_down_and_fails_nothing(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 30)
    host.aws.every_call = "throttled"
    host.aws.calls.clear()
    host.pass_time(waiters, 300)
    assert host.calls("ListClusters") <= 10
    host.aws.every_call = None
    host.pass_time(waiters, 60)
    host.end_step(waiters[4].watched)
    seen = len(waiters[4].woken)
    host.pass_time(waiters, 30)
    assert len(waiters[4].woken) == seen + 1


def test_a_poller_that_is_refused_lets_each_poll_for_itself(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 30)
    host.aws.every_call = "refused"
    host.pass_time(waiters, 120)
    assert not waiters[5].watch.is_polled(waiters[5].context)
    assert 15 <= waiters[5].pause() < 18


def test_a_signal_ends_a_pause_at_once(host: Host) -> None:
    (waiter,) = host.waits(1)
    waiter.context.stop.request(signal.SIGTERM)
    assert waiter.pause() == 0


def test_a_folder_that_cannot_be_written_lets_each_poll_for_itself(host: Host) -> None:
    waiters = host.waits(10)
    (host.folder / "snapshot.json").mkdir()
    (host.folder / "snapshot.json/x").touch()
    host.aws.calls.clear()
    host.pass_time(waiters, 60)
    assert not any(one.watch.is_polled(one.context) for one in waiters)


def test_a_poller_that_can_write_no_more_is_not_relied_on(host: Host) -> None:
    waiters = host.waits(10)
    host.pass_time(waiters, 60)
    # The last snapshot stays readable, and shows nothing to ask.
    (host.folder / f"snapshot.json.{os.getpid()}/x").mkdir(parents=True)
    host.end_step(waiters[0].watched)
    for _ in range(60):
        waiters[0].look()
        waiters[5].watch._read(waiters[5].context)
        host.clock.seconds += 1
    assert not waiters[5].watch.is_polled(waiters[5].context)
