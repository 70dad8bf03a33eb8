"""Clusters of instance fleets, which others have launched, as kiln reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.stub import Stubber

from kiln.aws.effects import Group

if TYPE_CHECKING:
    from kiln.aws.boto import Boto

CLUSTER = {"ClusterId": "j-1"}
# The words of EMR, in turbot/steampipe-plugin-aws issue 1222.
REFUSAL: dict[str, Any] = {
    "service_error_code": "InvalidRequestException",
    "service_message": "Instance fleets and instance groups are mutually exclusive.",
    "modeled_fields": {"ErrorCode": "API_DOES_NOT_SUPPORT_INSTANCE_FLEET_CLUSTERS"},
    "expected_params": CLUSTER,
}
FLEETS = {
    "InstanceFleets": [
        {"Id": "if-M", "InstanceFleetType": "MASTER", "Status": {"State": "RUNNING"}},
        {
            "Id": "if-C",
            "InstanceFleetType": "CORE",
            "Status": {"State": "RESIZING"},
            "TargetOnDemandCapacity": 2,
            "TargetSpotCapacity": 6,
            "ProvisionedOnDemandCapacity": 2,
            "ProvisionedSpotCapacity": 4,
        },
    ]
}


def instance(number: int, fleet: str, state: str, **more: Any) -> dict[str, Any]:
    return {"Id": f"ci-{number}", "InstanceFleetId": fleet, "Status": {"State": state}, **more}


def test_fleets_are_read_as_groups_and_asked_for_directly_from_then_on(boto: Boto) -> None:
    with Stubber(boto._emr) as emr:
        emr.add_client_error("list_instance_groups", **REFUSAL)
        emr.add_response("list_instance_fleets", FLEETS, CLUSTER)
        emr.add_response("list_instance_fleets", FLEETS, CLUSTER)
        first, second = boto.list_instance_groups("j-1"), boto.list_instance_groups("j-1")
        emr.assert_no_pending_responses()
    assert first == second
    assert first[1] == Group(id="if-C", kind="CORE", state="RESIZING", requested=8, running=6)


def test_nodes_of_fleets_have_their_kind_and_may_not_be_there_yet(boto: Boto) -> None:
    there = {"Ec2InstanceId": "i-0123456789abcdef0", "PrivateIpAddress": "10.0.0.1"}
    listed = [instance(1, "if-M", "RUNNING", **there), instance(2, "if-C", "AWAITING_FULFILLMENT")]
    with Stubber(boto._emr) as emr:
        emr.add_client_error("list_instance_groups", **REFUSAL)
        emr.add_response("list_instance_fleets", FLEETS, CLUSTER)
        emr.add_response("list_instances", {"Instances": listed}, CLUSTER)
        master, awaited = boto.list_instances("j-1")
    assert (master.group, master.private_ip_address, master.state) == ("MASTER", "10.0.0.1", "RUNNING")
    assert (awaited.group, awaited.private_ip_address, awaited.state) == ("CORE", "", "AWAITING_FULFILLMENT")


def test_a_lost_node_of_a_fleet_is_reported_with_its_market(boto: Boto) -> None:
    lost = instance(3, "if-C", "TERMINATED", Market="SPOT")
    lost["Status"]["StateChangeReason"] = {"Code": "INSTANCE_FAILURE"}
    with Stubber(boto._emr) as emr:
        emr.add_response("list_instances", {"Instances": [lost]})
        [found] = boto.list_lost_instances("j-1")
    assert (found.group_id, found.market) == ("if-C", "SPOT")
