"""The events of messages, as data: names as in the settings, verdicts and notes of messages."""

from __future__ import annotations

from string import Template
from typing import NamedTuple

FAILED, RETRY, SUCCEEDED = "failed", "retry", "succeeded"
SLOW, KEPT, NOT_TERMINATED, REAPED = "slow", "kept", "not_terminated", "reaped"
# `kiln notify --event test`: to every row.
TEST = "test"


class Event(NamedTuple):
    """An event. `verdict` and `note` are filled in with the facts of kiln.notifications.messages."""

    verdict: Template
    note: Template
    meaning: str


EVENTS: dict[str, Event] = {
    FAILED: Event(
        Template("$what failed"),
        Template(""),
        "a command failed; in Airflow: a task failed, and Airflow does not try it again",
    ),
    RETRY: Event(
        Template("$what failed, and is tried again"),
        Template("Airflow tries this task again. Nothing has to be done now."),
        "a task failed, and Airflow tries it again",
    ),
    SUCCEEDED: Event(Template("$what succeeded"), Template(""), "a whole run succeeded"),
    SLOW: Event(
        Template("$what takes twice as long as usual"),
        Template("It goes on. This is a warning, and is sent once."),
        "a command has been running for more than twice its usual time",
    ),
    KEPT: Event(
        Template("$what: its cluster is kept"),
        Template("The cluster costs money until $held_until. Then `kiln reap` and EMR end it."),
        "the cluster of a run stays for debugging",
    ),
    NOT_TERMINATED: Event(
        Template("$what: the end of its cluster is not confirmed"),
        Template("The cluster may still cost money. Run the first command until it exits with 0."),
        "AWS has not confirmed the end of a cluster (exit code 20)",
    ),
    REAPED: Event(
        Template("$what: what was left running was ended"),
        Template(""),
        "`kiln reap` has ended, or tried to end, what was left of a run",
    ),
    TEST: Event(
        Template("$what: a test message"),
        Template("Somebody tries the settings of kiln_notifications. Nothing has happened."),
        "`kiln notify --event test`: sent to every row",
    ),
}
