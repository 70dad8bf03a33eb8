"""Groups get other configurations while their cluster runs."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws.errors import AwsError

OLD = [{"Classification": "yarn-site", "Properties": {"a": "1", "b": "1"}}]
NEW = [{"Classification": "yarn-site", "Properties": {"b": "2"}}]


class Core:
    """The core group of a cluster that is ready, launched with OLD."""

    def __init__(self, emr: Any) -> None:
        self.emr = emr
        groups = [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {
                "InstanceRole": "CORE",
                "InstanceType": "m5.xlarge",
                "InstanceCount": 2,
                "Configurations": OLD,
            },
        ]
        self.cluster_id = emr.launch(Instances={"InstanceGroups": groups})
        emr.until(self.cluster_id, "WAITING")
        self.machines = emr.machines[self.cluster_id]

    @property
    def document(self) -> dict[str, Any]:
        found = self.emr.call("ListInstanceGroups", ClusterId=self.cluster_id)["InstanceGroups"][1]
        return dict(found)

    def change(self, **change: Any) -> None:
        one = {"InstanceGroupId": self.document["Id"], **change}
        self.emr.call("ModifyInstanceGroups", ClusterId=self.cluster_id, InstanceGroups=[one])

    @property
    def state(self) -> str:
        return str(self.document["Status"]["State"])


@pytest.fixture
def core(emr: Any) -> Core:
    return Core(emr)


def versions(core: Core) -> tuple[int, int]:
    found = core.document
    return found["ConfigurationsVersion"], found["LastSuccessfullyAppliedConfigurationsVersion"]


def test_a_group_is_reconfiguring_until_its_nodes_have_the_new_configurations(core: Core) -> None:
    assert versions(core) == (0, 0)
    core.machines.is_open = False
    core.change(Configurations=NEW)
    assert (core.state, versions(core)) == ("RECONFIGURING", (1, 0))
    assert core.document["LastSuccessfullyAppliedConfigurations"] == OLD
    core.machines.is_open = True
    assert (core.state, versions(core)) == ("RUNNING", (1, 1))
    assert core.machines.configured == [[NEW, NEW]]
    assert core.document["Configurations"] == core.document["LastSuccessfullyAppliedConfigurations"] == NEW


def test_merging_keeps_the_other_properties(core: Core) -> None:
    export = {"Classification": "export", "Properties": {"X": "1"}}
    env = {"Classification": "yarn-env", "Configurations": [export]}
    core.change(Configurations=[*NEW, env], ReconfigurationType="MERGE")
    by_name = {one["Classification"]: one for one in core.document["Configurations"]}
    assert by_name["yarn-site"]["Properties"] == {"a": "1", "b": "2"}
    assert by_name["yarn-env"]["Configurations"] == [export]


def test_nodes_that_join_later_have_the_new_configurations(core: Core) -> None:
    core.change(Configurations=NEW, InstanceCount=3)
    core.emr.wait_for(lambda: core.document["RunningInstanceCount"], lambda count: count == 3)
    record = core.emr.store.cluster(core.cluster_id)
    assert [i.type.configurations for i in record.groups[1].present] == [NEW] * 3


def test_a_failed_reconfiguration_goes_back_and_can_be_tried_again(core: Core) -> None:
    core.machines.refused_configurations = [OSError("no restart")]
    core.change(Configurations=NEW)
    assert (core.state, versions(core)) == ("RUNNING", (1, 0))
    assert core.document["Status"]["StateChangeReason"] == {
        "Code": "INTERNAL_ERROR",
        "Message": "OSError: no restart",
    }
    assert core.machines.configured == [[NEW, NEW], [OLD, OLD]]
    core.change(Configurations=NEW)
    assert (core.state, versions(core)) == ("RUNNING", (2, 2))


def test_a_group_that_cannot_go_back_is_suspended_until_it_is_modified(core: Core) -> None:
    core.machines.refused_configurations = [OSError("not again"), OSError("no restart")]
    core.change(Configurations=NEW)
    assert core.state == "SUSPENDED"
    core.change(Configurations=NEW)
    assert (core.state, versions(core)) == ("RUNNING", (2, 2))


def test_a_cluster_can_end_while_a_group_is_reconfigured(core: Core) -> None:
    core.machines.is_open = False
    core.change(Configurations=NEW)
    core.emr.call("TerminateJobFlows", JobFlowIds=[core.cluster_id])
    core.emr.until(core.cluster_id, "TERMINATED")
    assert core.state == "TERMINATED"


def test_the_master_group_is_reconfigured_and_not_resized(core: Core) -> None:
    master = core.emr.call("ListInstanceGroups", ClusterId=core.cluster_id)["InstanceGroups"][0]["Id"]
    core.emr.call("ModifyInstanceGroups", InstanceGroups=[{"InstanceGroupId": master, "Configurations": NEW}])
    found = core.emr.call("ListInstanceGroups", ClusterId=core.cluster_id)["InstanceGroups"][0]
    assert (found["Status"]["State"], found["Configurations"]) == ("RUNNING", NEW)
    with pytest.raises(AwsError, match="MASTER instance group cannot be resized"):
        core.emr.call(
            "ModifyInstanceGroups",
            InstanceGroups=[{"InstanceGroupId": master, "Configurations": NEW, "InstanceCount": 2}],
        )


def test_an_unknown_classification_is_refused(core: Core) -> None:
    with pytest.raises(AwsError, match="invalid classification"):
        core.change(Configurations=[{"Classification": "no-site"}])
    assert versions(core) == (0, 0)
