"""Daily runs on clusters without nodes: days two at a time by daily_transform's own file; a refused end.

`make test` runs four days, `make soak` ten.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from account import LOCAL
from hollow_checkout import HollowCheckout, HollowPipeline, OwnPipeline, step
from hostile import often
from local_world import CHECKOUT, HANG_SECONDS, Finished, clean_environment, finished
from message_sinks import http_sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import World
    from message_sinks import HttpSink

NOT_TERMINATED, AT_ONCE = 20, 2
# Run ids of another call of these tests in the same account are others.
SUITE = uuid4().hex[:8]
DAYS = [f"2026-11-{day:02}" for day in range(11, 11 + often(4, 10))]
# `kept` has a cluster that does not end by itself.
PIPELINES: dict[str, HollowPipeline | OwnPipeline] = {
    "daily": OwnPipeline("daily_transform", settings={"kiln_parallel_runs": AT_ONCE}),
    "kept": HollowPipeline((step("transform"),)),
}


def emrbox(*arguments: str) -> None:
    subprocess.run([CHECKOUT / ".venv/bin/emrbox", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def chat() -> Iterator[HttpSink]:
    """A web server in the place of Slack's."""
    with http_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def checkout(world: World, chat: HttpSink, tmp_path_factory: pytest.TempPathFactory) -> HollowCheckout:
    """A checkout whose pipelines run in the account of the tests and write to the web server."""
    assert world.session
    made = HollowCheckout(tmp_path_factory.mktemp("daily"), LOCAL, PIPELINES)
    made.set_for_all({"kiln_notifications": [{"name": "chat", "kind": "webhook", "url": "vault_chat_url"}]})
    made.write_vault({"vault_chat_url": chat.url})
    return made


def kiln(checkout: HollowCheckout, *arguments: str) -> Finished:
    child = subprocess.Popen(
        [checkout.root / "scripts/kiln", *arguments],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return finished(child, HANG_SECONDS)


def test_days_run_two_at_a_time_each_on_a_cluster_of_its_own(world: World, checkout: HollowCheckout) -> None:
    def run(day: str) -> Finished:
        return kiln(
            checkout, "run", "daily", "--env", "local", "--date", day, "--run-id", f"day-{day}-{SUITE}"
        )

    with ThreadPoolExecutor(AT_ONCE) as threads:
        ended = dict(zip(DAYS, threads.map(run, DAYS), strict=True))
    assert {day: one.code for day, one in ended.items()} == dict.fromkeys(DAYS, 0), ended
    emr, glue = world.session.client("emr"), world.session.client("glue")
    for day, one in ended.items():
        status = world.cluster_of(f"day-{day}-{SUITE}")["Status"]
        assert (status["State"], status["StateChangeReason"]["Code"]) == ("TERMINATED", "ALL_STEPS_COMPLETED")
        listed = emr.list_steps(ClusterId=one.result["cluster_id"])["Steps"]
        assert [step["Name"] for step in reversed(listed)] == ["transform", "check"]
        (arguments,) = [step["Config"]["Args"] for step in listed if step["Name"] == "transform"]
        assert arguments[arguments.index("--date") + 1] == day
    partitions = glue.get_partitions(DatabaseName="kiln_local", TableName="clicks")["Partitions"]
    assert set(DAYS) <= {one["Values"][0] for one in partitions}


def test_an_end_that_aws_refuses_twice_is_sent_to_the_chat_and_the_reaper_ends_the_cluster(
    world: World, checkout: HollowCheckout, chat: HttpSink
) -> None:
    words = ("--env", "local", "--run-id", f"refused-{SUITE}")
    launched = kiln(checkout, "run", "kept", "launch", *words)
    assert launched.code == 0, launched.said
    cluster_id = launched.result["cluster_id"]
    emrbox("fault", "add", "termination-refused")
    try:
        for _ in range(2):
            refused = kiln(
                checkout, "run", "kept", "terminate", *words, "-e", "kiln_terminate_timeout_seconds=3"
            )
            assert refused.code == NOT_TERMINATED, refused.said
    finally:
        emrbox("fault", "clear")
    texts = [str(json.loads(body)["text"]) for body in chat.bodies]
    assert [
        text for text in texts if "the end of its cluster is not confirmed" in text and cluster_id in text
    ]
    expired: Any = [{"Key": "expires_at", "Value": "2025-01-01T00:00:00Z"}]
    world.session.client("emr").add_tags(ResourceId=cluster_id, Tags=expired)
    swept = kiln(checkout, "reap", "--env", "local", "--yes", "-o", "json")
    assert swept.code == 0, swept.said
    assert [row["id"] for row in swept.result["rows"] if row["ended"]] == [cluster_id]
    assert world.cluster_of(f"refused-{SUITE}")["Status"]["State"] == "TERMINATED"
