from __future__ import annotations

from datetime import UTC, datetime

import botocore.session
import pytest
from botocore.validate import ParamValidator
from fakes import shape

from kiln.emr.request import launch_request
from kiln.emr.tags import tags
from kiln.errors import UsageError
from kiln.identity import Identity
from kiln.settings.managed_scaling import ManagedScaling
from kiln.settings.model import BootstrapAction

NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
IDENTITY = Identity(environment="local", pipeline="model_building", run_id="r1", owner="ops")


def test_every_request_carries_the_run_in_its_tags_and_an_idle_policy() -> None:
    request = launch_request(IDENTITY, shape(), NOW)
    assert {tag["Key"]: tag["Value"] for tag in request["Tags"]} == {
        "pipeline": "model_building",
        "environment": "local",
        "run_id": "r1",
        "owner": "ops",
        "expires_at": "2026-11-21T09:30:00Z",
        "idle_timeout_seconds": "3600",
        "cluster_name": "kiln-local-model_building-r1",
        "managed_by": "kiln",
        "for-use-with-amazon-emr-managed-policies": "true",
    }
    assert request["AutoTerminationPolicy"] == {"IdleTimeout": 3600}
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True


@pytest.mark.parametrize("key", ["held_until", "Held_Until", "code_commit", "CODE_COMMIT"])
def test_settings_cannot_hold_a_cluster_or_name_a_commit(key: str) -> None:
    with pytest.raises(UsageError, match=f"{key.lower()} is set when"):
        tags(IDENTITY, shape(tags={key: "9999-01-01T00:00:00Z"}), NOW)


def test_settings_cannot_take_kilns_own_tags() -> None:
    assert tags(IDENTITY, shape(tags={"run_id": "stolen", "team": "x"}), NOW)["run_id"] == "r1"
    assert tags(IDENTITY, shape(tags={"team": "x"}), NOW)["team"] == "x"


def test_a_tag_that_is_kilns_in_other_letters_is_refused() -> None:
    with pytest.raises(UsageError, match="emr_cluster_tags: Environment"):
        tags(IDENTITY, shape(tags={"Environment": "x"}), NOW)


def test_a_full_request_is_valid_by_botocores_model() -> None:
    wanted = shape(
        task_count=1,
        subnet_id="subnet-1",
        custom_ami_id="ami-1",
        configurations=(
            {
                "Classification": "spark-env",
                "Configurations": [{"Classification": "export", "Properties": {"A": 4, "B": True}}],
            },
        ),
        bootstrap_actions=(BootstrapAction(name="b", path="s3://x/y.sh", args=("1",)),),
    )
    request = launch_request(IDENTITY, wanted, NOW)
    model = botocore.session.Session().get_service_model("emr").operation_model("RunJobFlow")
    assert model.input_shape is not None
    assert not ParamValidator().validate(request, model.input_shape).has_errors()
    inner = request["Configurations"][0]["Configurations"][0]["Properties"]
    assert inner == {"A": "4", "B": "true"}


def test_a_cluster_without_core_nodes_has_a_master_only() -> None:
    groups = launch_request(IDENTITY, shape(core_count=0), NOW)["Instances"]["InstanceGroups"]
    assert [group["InstanceRole"] for group in groups] == ["MASTER"]


def test_a_root_volume_has_the_releases_own_size_unless_one_is_set() -> None:
    assert "EbsRootVolumeSize" not in launch_request(IDENTITY, shape(), NOW)
    assert launch_request(IDENTITY, shape(ebs_root_volume_size_gb=50), NOW)["EbsRootVolumeSize"] == 50


def test_each_group_on_spot_has_its_own_price_and_others_have_none() -> None:
    wanted = shape(
        task_count=1,
        core_market="SPOT",
        core_bid_price="0.07",
        task_market="SPOT",
        master_bid_price="1.5",
    )
    groups = launch_request(IDENTITY, wanted, NOW)["Instances"]["InstanceGroups"]
    assert [(one["Market"], one.get("BidPrice")) for one in groups] == [
        ("ON_DEMAND", None),
        ("SPOT", "0.07"),
        ("SPOT", None),
    ]


def test_managed_scaling_is_a_part_of_the_launch_with_the_limits_that_are_set() -> None:
    assert "ManagedScalingPolicy" not in launch_request(IDENTITY, shape(), NOW)
    limits = ManagedScaling(minimum_instances=2, maximum_instances=9, maximum_on_demand_instances=0)
    request = launch_request(IDENTITY, shape(managed_scaling=limits), NOW)
    assert request["ManagedScalingPolicy"]["ComputeLimits"] == {
        "UnitType": "Instances",
        "MinimumCapacityUnits": 2,
        "MaximumCapacityUnits": 9,
        "MaximumOnDemandCapacityUnits": 0,
    }


def test_a_scaled_cluster_has_as_many_nodes_as_its_limits_allow() -> None:
    assert shape(core_count=2, task_count=1).most_nodes == 4
    limits = ManagedScaling(minimum_instances=2, maximum_instances=9)
    assert shape(core_count=2, managed_scaling=limits).most_nodes == 10
