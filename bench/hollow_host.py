"""A host whose processes wait for the steps of hollow clusters, in an account of a running emrbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emrbox.pytest_plugin import Account

PROGRAM = Path(__file__).with_name("wait_for_steps.py")
LAUNCH: dict[str, Any] = {
    "ReleaseLabel": "emr-spark-8.0.0",
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
}
STEP = {"ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"]}}
KINDS = ("EMR Cluster State Change", "EMR Step Status Change", "EMR Instance Group State Change")
HANG_SECONDS = 300.0

Step = tuple[str, str]


def launch(account: Account, count: int) -> list[Step]:
    """Launch clusters, each of which runs one step until that is cancelled; return the ids of both."""
    emr = account.client("emr")
    account.script_step(seconds=86_400)
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    shape = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True}
    made = []
    for number in range(count):
        name = f"kiln-local-bench-r{number}"
        cluster = emr.run_job_flow(Name=name, Instances=shape, **LAUNCH)["JobFlowId"]
        step = emr.add_job_flow_steps(JobFlowId=cluster, Steps=[{"Name": name, **STEP}])["StepIds"][0]
        made.append((cluster, step))
    return made


def make_queue(account: Account) -> str:
    """Make a queue, and the rule that sends EMR's events to it; return the queue's URL."""
    sqs, events = account.client("sqs"), account.client("events")
    url = str(sqs.create_queue(QueueName="kiln-events")["QueueUrl"])
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["aws.emr"], "detail-type": list(KINDS)})
    rule = events.put_rule(Name="kiln-events", EventPattern=pattern)["RuleArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="kiln-events", Targets=[{"Id": "kiln", "Arn": queue}])
    return url


class Processes:
    """Processes that wait for steps, and what they have noticed so far."""

    def __init__(self, account: Account, cache: Path, *, interval: float, queue_url: str = "") -> None:
        self._environment = {**os.environ, **account.environment, "XDG_CACHE_HOME": str(cache)}
        self._wanted = {"interval_seconds": interval, "queue_url": queue_url}
        self._changed = threading.Condition()
        self.noticed: dict[str, float] = {}
        self.waiting = 0
        self.reports: list[str] = []
        self.children: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def start(self, steps: Sequence[Step]) -> subprocess.Popen[str]:
        """Start a process that waits for these steps, one thread each."""
        child = subprocess.Popen(
            [sys.executable, PROGRAM],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        assert child.stdin is not None
        child.stdin.write(json.dumps({**self._wanted, "steps": list(steps)}) + "\n")
        child.stdin.close()
        reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        self._readers.append(reader)
        reader.start()
        return child

    def _read(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for text in lines:
                self._note(json.loads(text))

    def _note(self, line: dict[str, Any]) -> None:
        with self._changed:
            if "step" in line:
                self.noticed[line["step"]] = line["noticed_at"]
            elif "report" in line:
                self.reports.append(line["report"])
            self.waiting += line.get("waiting", 0)
            self._changed.notify_all()

    def until_waiting(self, count: int) -> None:
        """Return when so many waits have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.waiting >= count, HANG_SECONDS), self.waiting

    def until_noticed(self, steps: Sequence[Step]) -> None:
        """Return when the ends of these steps were noticed."""
        wanted = {step for _, step in steps}
        with self._changed:
            done = self._changed.wait_for(lambda: wanted <= self.noticed.keys(), HANG_SECONDS)
            assert done, wanted - self.noticed.keys()

    def end(self) -> None:
        """Kill them."""
        for child in self.children:
            child.kill()
            child.wait()
        for reader in self._readers:
            reader.join()


def cancel(account: Account, steps: Sequence[Step], pause_seconds: float) -> Iterator[tuple[str, float]]:
    """Cancel steps one after the other; yield each one and the moment at which that was asked for."""
    emr = account.client("emr")
    for cluster, step in steps:
        yield step, time.time()
        emr.cancel_steps(ClusterId=cluster, StepIds=[step])
        time.sleep(pause_seconds)


def calls_since(account: Account, seconds: float) -> Counter[str]:
    """Return EMR's calls of the last seconds by operation, from emrbox's log of calls."""
    page = account.box.get("calls", service="elasticmapreduce", since=str(seconds), limit="100000")
    return Counter(one["operation"] for one in page["calls"])
