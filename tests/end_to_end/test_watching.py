"""Real processes that wait on one host: one polls for all, and the others can do without it."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_world import CHECKOUT, HANG_SECONDS, clean_environment

from hollow_host import Processes, calls_since, launch, make_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emrbox.pytest_plugin import Account

TOOL = CHECKOUT / ".venv/bin/ansible-playbook"


@pytest.fixture
def made(aws_account: Account) -> list[tuple[str, str]]:
    aws_account.create_default_roles()
    return launch(aws_account, 8)


@pytest.fixture
def hosts(aws_account: Account, tmp_path: Path) -> Iterator[Callable[..., Processes]]:
    """Start a process for each step, on a host of their own."""
    started: list[Processes] = []

    def start(steps: list[tuple[str, str]], *, interval: float, queue_url: str = "") -> Processes:
        host = Processes(aws_account, tmp_path, interval=interval, queue_url=queue_url)
        started.append(host)
        for one in steps:
            host.start([one])
        host.until_waiting(len(steps))
        return host

    yield start
    for one in started:
        one.end()


def end(account: Account, steps: list[tuple[str, str]]) -> None:
    for cluster, step in steps:
        account.client("emr").cancel_steps(ClusterId=cluster, StepIds=[step])


def test_the_ends_of_steps_are_noticed_by_all_processes_and_one_of_them_polls(
    aws_account: Account, made: list[tuple[str, str]], hosts: Callable[..., Processes]
) -> None:
    host = hosts(made, interval=2)
    end(aws_account, made)
    host.until_noticed(made)
    callers = calls_since(aws_account, 300)
    assert callers["ListClusters"] > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_go_on_when_any_process_is_killed_or_stopped(
    aws_account: Account, made: list[tuple[str, str]], hosts: Callable[..., Processes], number: int
) -> None:
    host = hosts(made, interval=2)
    # One of the first half has the lock: whichever it is, the others do not depend on it.
    for child in host.children[:4]:
        child.send_signal(number)
    end(aws_account, made[4:])
    host.until_noticed(made[4:])


def test_events_wake_every_process_though_emr_is_hardly_polled(
    aws_account: Account, made: list[tuple[str, str]], hosts: Callable[..., Processes]
) -> None:
    """The interval is longer than the test may last: only events can wake them."""
    host = hosts(made, interval=5000, queue_url=make_queue(aws_account))
    end(aws_account, made)
    host.until_noticed(made)
    assert not [line for line in host.reports if "no events" in line]


def test_a_queue_that_is_not_there_is_reported_and_emr_is_polled(
    aws_account: Account, made: list[tuple[str, str]], hosts: Callable[..., Processes]
) -> None:
    url = f"{aws_account.endpoint}/{aws_account.account_id}/absent"
    host = hosts(made, interval=2, queue_url=url)
    end(aws_account, made)
    host.until_noticed(made)
    assert any(line.startswith(f"no events from {url}: ") for line in host.reports)


def play(account: Account, *arguments: str) -> str:
    """Run the playbook of events as an administrator of the account does; return its last lines."""
    own = ("-e", "aws_profile=", "-e", "aws_config_file=", "-e", "emr_events_name=kiln-events-local-test")
    finished = subprocess.run(
        [TOOL, "-i", "inventory/local/hosts.yml", "playbooks/events.yml", *own, *arguments],
        cwd=CHECKOUT,
        env={**clean_environment(), **account.environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    return finished.stdout


def test_the_playbook_makes_a_queue_that_wakes_processes_changes_nothing_twice_and_removes_it(
    aws_account: Account, made: list[tuple[str, str]], hosts: Callable[..., Processes]
) -> None:
    said = play(aws_account)
    (url,) = re.findall(r"kiln_events_queue_url=(http://\S+/kiln-events-local-test)", said)
    host = hosts(made[:5], interval=5000, queue_url=url)
    end(aws_account, made[:5])
    host.until_noticed(made[:5])
    assert "changed=0" in play(aws_account)
    play(aws_account, "-e", "emr_events_state=absent")
    assert "QueueUrls" not in aws_account.client("sqs").list_queues()
    assert aws_account.client("events").list_rules()["Rules"] == []
