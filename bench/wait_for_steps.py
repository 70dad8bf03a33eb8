"""Wait for steps as runs do, one thread a step: a process of the measurements, and of a test.

Reads one JSON document from stdin ({"steps": [[cluster, step], …], "interval_seconds": …, "queue_url": …}),
waits with kiln's own code, and prints a JSON line when a step's end was noticed. The account is that of the
AWS_* variables.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from typing import Any

from kiln.aws.boto import Boto
from kiln.aws.context import Context
from kiln.aws.watch import Watched
from kiln.clock import SystemClock
from kiln.emr import states, steps, waiting
from kiln.errors import KilnError
from kiln.watching import places
from kiln.watching.rounds import Plan

REGION = "us-east-1"
ENVIRONMENT = "local"
_DAY_SECONDS = 86_400.0
_printing = threading.Lock()


def say(**line: Any) -> None:
    """Print one line of JSON, whole."""
    with _printing:
        print(json.dumps(line), flush=True)


def wait(aws: Boto, cluster_id: str, step_id: str, plan: Plan, queue_url: str) -> None:
    """Wait for one step as a run of its own would, and say when its end was noticed."""
    digest = places.account_digest(region=REGION, profile="", config_file="")
    alone = Context(aws=aws, clock=SystemClock(), report=lambda line: say(report=line))
    # Without the token buckets: the first polls of 200 waits that begin at once would take 13 minutes.
    context = replace(places.shared(alone, digest, plan, queue_url), tokens=None)
    error, begun = "", threading.Event()

    def poll(bounded: Context) -> str:
        seen = steps.seen_if_any(bounded, cluster_id, step_id)
        if not begun.is_set():
            begun.set()
            say(waiting=1)
        return seen.state if seen else ""

    try:
        waiting.until(
            context,
            poll,
            states.STEP_ENDED.__contains__,
            what=f"step {step_id}",
            timeout_seconds=_DAY_SECONDS,
            interval_seconds=plan.interval_seconds,
            watched=lambda: Watched(cluster_id=cluster_id, step_ids=(step_id,)),
        )
    except KilnError as problem:
        error = problem.message
    say(step=step_id, noticed_at=time.time(), error=error)


def main() -> int:
    """Wait for all steps."""
    wanted = json.loads(sys.stdin.readline())
    plan = Plan(environment=ENVIRONMENT, interval_seconds=wanted["interval_seconds"])
    aws = Boto(region=REGION)
    threads = [
        threading.Thread(target=wait, args=(aws, cluster_id, step_id, plan, wanted["queue_url"]))
        for cluster_id, step_id in wanted["steps"]
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
