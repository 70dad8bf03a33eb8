"""The events of instance groups that are resized, reconfigured, or get no instances."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.emr.life import endings
from emrbox.emr.life.layer import NoCapacityError
from emrbox.emr.life.model import ON_DEMAND, Purchase

NEW = [{"Classification": "yarn-site", "Properties": {"a": "1"}}]
NOTICE, CHANGE = "EMR Instance Group Status Notification", "EMR Instance Group State Change"
TIME = "2026-11-01 12:00 UTC"


class Core:
    """The core group of a cluster that waits."""

    def __init__(self, emr: Any) -> None:
        self.emr = emr
        self.cluster_id = emr.launch()
        emr.until(self.cluster_id, "WAITING")
        self.id = emr.call("ListInstanceGroups", ClusterId=self.cluster_id)["InstanceGroups"][1]["Id"]
        self.machines = emr.machines[self.cluster_id]

    def modify(self, **change: Any) -> None:
        self.emr.call("ModifyInstanceGroups", InstanceGroups=[{"InstanceGroupId": self.id, **change}])

    def details(self, kind: str) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.emr.events if event["detail-type"] == kind]

    def messages(self, kind: str) -> list[str]:
        """Severities and messages, in which the group with its cluster is HERE."""
        here = f"nstance group {self.id} in the Amazon EMR cluster {self.cluster_id} (test)"
        return [f"{d['severity']} {d['message'].replace(here, 'HERE')}" for d in self.details(kind)]


@pytest.fixture
def core(emr: Any) -> Core:
    return Core(emr)


def test_a_resize_is_reported_when_it_is_asked_for_and_when_it_begins(core: Core) -> None:
    core.modify(InstanceCount=3)
    core.modify(InstanceCount=3)  # nothing new
    [asked] = core.details(NOTICE)
    where = f"instance group {core.id} in Amazon EMR cluster {core.cluster_id} (test)"
    assert asked["message"] == f"A resize for {where} was initiated by user at {TIME}."
    assert (asked["state"], asked["requestedInstanceCount"]) == ("RUNNING", "3")
    kinds = [event["detail-type"] for event in core.emr.events]
    assert kinds.index(NOTICE) < kinds.index(CHANGE)


def test_a_reconfiguration_is_reported_from_its_request_to_its_end(core: Core) -> None:
    core.machines.is_open = False
    core.modify(Configurations=NEW)
    core.emr.clock.advance(120)
    core.machines.is_open = True
    core.emr.settle()
    asked = f"iHERE was initiated by user at {TIME}. Version of requested configuration is 1."
    begun = f"iHERE started at {TIME}. It is configuring from version number 0 to version number 1."
    took = f"The reconfiguration started at {TIME} and took 2 minutes to complete."
    done = f"iHERE is complete. {took} Current configuration version is 1."
    assert core.messages(NOTICE) == [f"INFO A reconfiguration for {asked}"]
    assert core.messages(CHANGE) == [
        f"INFO A reconfiguration for {begun}",
        f"INFO The reconfiguration operation for {done}",
    ]


@pytest.mark.parametrize(
    ("refusals", "end"),
    [
        (1, "INFO Configurations were successfully reverted to the previous successful version 0 for i"),
        (2, "CRITICAL Failed to revert to the previous successful version 0 for I"),
    ],
)
def test_a_failed_reconfiguration_is_reported_with_its_cause(core: Core, refusals: int, end: str) -> None:
    core.machines.refused_configurations = [OSError("no restart")] * refusals
    core.modify(Configurations=NEW)
    _, failed, reverting = core.messages(NOTICE)
    why = "Failed configuration version is 1. Failure message: OSError: no restart"
    took = f"failed at {TIME} and took 0 minutes to fail."
    assert failed == f"WARNING The reconfiguration operation for iHERE {took} {why}"
    assert reverting.startswith(
        "INFO Configurations are reverting to the previous successful version number 0"
    )
    assert core.messages(CHANGE)[-1].startswith(f"{end}HERE at {TIME}.")


def test_what_waits_for_another_change_of_its_group_is_reported(core: Core) -> None:
    core.machines.is_open = False
    core.modify(Configurations=NEW)
    core.modify(InstanceCount=3)
    core.machines.is_open = True
    core.emr.settle()
    core.machines.is_open = False
    core.modify(InstanceCount=4)
    core.modify(Configurations=[])
    resize, change = (text for text in core.messages(NOTICE) if "temporarily blocked" in text)
    assert resize.startswith("INFO Resizing operation towards instance count 3 for iHERE is")
    assert resize.endswith("because the instance group is in RECONFIGURING.")
    assert change.startswith("INFO Reconfiguring operation towards configuration version 2 for iHERE is")
    assert change.endswith("because instance group is in RESIZING.")


def test_a_group_that_gets_no_instances_is_reported_at_its_start_and_at_a_resize(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    emr, cluster = core.emr, core.emr.store.cluster(core.cluster_id)
    purchase = Purchase(cluster.master.type, ON_DEMAND, 1, ON_DEMAND)

    def refuse(*_: Any) -> None:
        raise NoCapacityError(endings.without_capacity(cluster, "CORE", purchase))

    monkeypatch.setattr(type(core.machines), "launch", refuse)
    core.modify(InstanceCount=4)
    new = emr.launch()
    emr.until(new, "TERMINATED_WITH_ERRORS")
    [at_resize], [at_start] = (
        core.details("EMR Instance Group Resize"),
        core.details("EMR Instance Group Provisioning"),
    )
    for detail in (at_resize, at_start):
        assert detail["severity"] == "WARN"
        assert detail["eventCode"] == "EC2 provisioning - Insufficient Instance Capacity"
    assert (at_resize["clusterId"], at_resize["instanceGroupType"]) == (core.cluster_id, "CORE")
    assert (at_start["clusterId"], at_start["instanceGroupType"]) == (new, "MASTER")
    group = f"instance group {emr.store.cluster(new).groups[0].id}"
    short = (
        "insufficient On-Demand capacity for instance types [m5.xlarge] in Availability Zone [us-east-1a]."
    )
    assert (
        f"create your Amazon EMR cluster {new} (test) for {group}. Amazon EC2 has {short}"
        in at_start["message"]
    )
