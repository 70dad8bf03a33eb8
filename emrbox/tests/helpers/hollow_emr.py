"""EMR with hollow clusters on a clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from scripted_uis import scripted_uis

from emrbox.aws.auth import Caller
from emrbox.aws.errors import AwsError
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import MovableClock, SystemClock
from emrbox.emr.life.session_access import SessionAccess
from emrbox.emr.life.store import Store
from emrbox.emr.machines.public_access import check_public_access
from emrbox.faults.book import FaultBook
from emrbox.faults.cluster_faults import ClusterFaults
from emrbox.faults.faulty_nodes import FaultyNodes
from emrbox.faults.lag import LaggingView
from emrbox.faults.quotas import Quotas

HOLLOW = [{"Key": "emrbox:hollow", "Value": "true"}]


def script(name: str = "work", action: str = "CONTINUE", **options: Any) -> dict[str, Any]:
    """A step with a script of its own."""
    words = [w for key, value in options.items() for w in (f"--{key.replace('_', '-')}", str(value))]
    jar = {"Jar": "command-runner.jar", "Args": ["emrbox-script", *words]}
    return {"Name": name, "ActionOnFailure": action, "HadoopJarStep": jar}


def hollow_request(**changes: Any) -> dict[str, Any]:
    """A RunJobFlow request with one node, kept alive."""
    group = {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
    return {
        "Name": "test",
        "ReleaseLabel": "emr-spark-8.0.0",
        "ServiceRole": "service",
        "JobFlowRole": "nodes",
        "Instances": {"InstanceGroups": [group], "KeepJobFlowAliveWhenNoSteps": True},
        **changes,
    }


def refused(emr: Any, operation: str, **request: Any) -> str:
    """Make a call that EMR refuses as an invalid request; return its words."""
    with pytest.raises(AwsError) as refusal:
        emr.call(operation, **request)
    assert (refusal.value.code, refusal.value.status) == ("InvalidRequestException", 400)
    return refusal.value.message


class HollowEmr:
    def __init__(self, run_request: Any) -> None:
        self.faults = FaultBook()
        self.quotas = Quotas(self.faults)
        self.published: list[Any] = []
        self.clock = MovableClock()
        self.clock.freeze()
        self.hollow = Hollow(
            wrap=lambda layer, cluster: FaultyNodes(
                layer, cluster, self.faults, self.clock.now, quotas=self.quotas
            ),
            clock=self.clock,
            check_groups=check_public_access,
        )
        self.start = self.clock.now()
        watchers: list[Any] = []

        def watch(*change: Any) -> None:
            for watcher in watchers:
                watcher(*change)

        store = Store(
            SystemClock(),
            lambda _: pytest.fail("not hollow"),
            lambda name: name,
            self.hollow,
            watch,
        )
        faults = ClusterFaults(self.faults, store.all, self.published.append, hollow=self.hollow)
        watchers.append(faults.watch)
        self.quotas.clusters = store.all
        self.service = EmrService(
            store, LaggingView(self.faults), self.quotas, scripted_uis(), SessionAccess(store, 4566)
        )
        self.policy: list[Any] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        self._run_request = run_request

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        caller = Caller("arn:aws:iam::123456789012:user/t", lambda: [{"Statement": self.policy}])
        answer = self.service.call(operation, request, caller)
        self.clock.advance(0)
        return answer

    def launch(self, *steps: dict[str, Any], **changes: Any) -> str:
        request = self._run_request(**{"Tags": HOLLOW, "Steps": list(steps), **changes})
        return str(self.call("RunJobFlow", **request)["JobFlowId"])

    def launch_in(self, **instances: Any) -> str:
        """Launch a cluster that is kept alive, on other instances than those of every test."""
        request = self._run_request(Tags=HOLLOW)
        request["Instances"] = {"KeepJobFlowAliveWhenNoSteps": True, **instances}
        return str(self.call("RunJobFlow", **request)["JobFlowId"])

    def status(self, cluster_id: str) -> dict[str, Any]:
        return dict(self.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["Status"])

    def state(self, cluster_id: str) -> str:
        return str(self.status(cluster_id)["State"])

    def steps(self, cluster_id: str) -> list[dict[str, Any]]:
        return list(reversed(self.call("ListSteps", ClusterId=cluster_id)["Steps"]))

    def step_states(self, cluster_id: str) -> list[str]:
        return [step["Status"]["State"] for step in self.steps(cluster_id)]

    def instances(self, cluster_id: str) -> list[dict[str, Any]]:
        return list(self.call("ListInstances", ClusterId=cluster_id)["Instances"])

    def core_count(self, cluster_id: str) -> int:
        groups = self.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"]
        return int(next(g["RunningInstanceCount"] for g in groups if g["InstanceGroupType"] == "CORE"))

    def tags(self, cluster_id: str) -> list[dict[str, str]]:
        return list(self.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["Tags"])

    def after(self, seconds: float) -> Any:
        return self.start + timedelta(seconds=seconds)
