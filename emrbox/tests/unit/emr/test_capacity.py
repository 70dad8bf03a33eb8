"""What EC2 says to a launch, in EMR's words, and what reaches instances that are just launched."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from emrbox.emr import instance_types
from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.life.model import Purchase
from emrbox.emr.machines import capacity as capacities
from emrbox.emr.machines.capacity import Capacity

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.model import Instance


def launch_master(capacity: Capacity) -> list[Instance]:
    master = capacity._cluster.master
    return capacity.launch(master, Purchase(master.type, master.market, 1, master.market))


class Ec2:
    """EC2's client, and what happens while it launches."""

    def __init__(self) -> None:
        self.while_it_launches: Callable[[], None] = lambda: None
        self.refusal: str | None = None
        self.tags_refused = False
        self.tags: dict[str, str] = {}

    def run_instances(self, **request: Any) -> dict[str, Any]:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "RunInstances")
        self.tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        self.while_it_launches()
        instance = {
            "InstanceId": "i-1",
            "PrivateIpAddress": "10.0.0.1",
            "PrivateDnsName": "ip",
            "Placement": {"AvailabilityZone": "us-east-1a"},
        }
        return {"Instances": [instance]}

    def create_tags(self, *, Resources: list[str], Tags: list[dict[str, str]]) -> None:  # noqa: N803  # boto3's names
        if self.tags_refused:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "CreateTags")
        assert Resources == ["i-1"]
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}

    def delete_tags(self, *, Resources: list[str], Tags: list[dict[str, str]]) -> None:  # noqa: N803
        assert Resources == ["i-1"]
        for tag in Tags:
            self.tags.pop(tag["Key"])


class Launch:
    """A cluster's master that is about to be launched."""

    def __init__(self, request: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.ec2 = Ec2()
        self.protected: list[tuple[list[str], bool]] = []
        self.cluster = new_cluster(request, "nodes", datetime.now(UTC))
        self.capacity = Capacity(self.cluster, "http://nowhere", SystemClock())

        def run_request(*_: Any) -> dict[str, Any]:
            return {"Tags": [{"Key": k, "Value": v} for k, v in self.cluster.tags.items()]}

        def protect(instance_ids: list[str], *, protected: bool) -> None:
            self.protected.append((list(instance_ids), protected))

        for name, stand_in in (
            ("_ec2", lambda: self.ec2),
            ("_check_roles", lambda: None),
            ("_run_request", run_request),
            ("_protect", protect),
            ("_all_states", lambda: {"i-1": "pending"}),
        ):
            monkeypatch.setattr(self.capacity, name, stand_in)

    def __call__(self) -> None:
        launch_master(self.capacity)


@pytest.fixture
def launch(emr: Any, monkeypatch: pytest.MonkeyPatch) -> Launch:
    tags = [{"Key": "run", "Value": "1"}, {"Key": "old", "Value": "x"}]
    return Launch(emr.run_request(Tags=tags), monkeypatch)


def test_tags_that_come_while_ec2_launches_reach_the_instances(launch: Launch) -> None:
    def change() -> None:  # as AddTags and RemoveTags do
        launch.cluster.tags = {"run": "2", "owner": "me"}
        launch.capacity.tag({"run": "2", "owner": "me"}, ["old"])

    launch.ec2.while_it_launches = change
    launch()
    assert launch.ec2.tags == {"run": "2", "owner": "me"}


def test_tags_and_protection_reach_instances_that_the_records_do_not_have_yet(launch: Launch) -> None:
    launch()
    assert launch.cluster.instances == []
    launch.capacity.tag({"owner": "me"}, [])
    launch.capacity.protect(protected=True)
    assert launch.ec2.tags["owner"] == "me"
    assert launch.protected[-1] == (["i-1"], True)


def test_a_service_role_that_may_not_tag_leaves_the_clusters_tags_as_they_are(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    launch()
    launch.ec2.tags_refused = True
    launch.capacity.tag({"owner": "me"}, [])
    assert "did not reach its instances" in caplog.text


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        ("InsufficientInstanceCapacity", "INTERNAL_ERROR", "EC2 is out of capacity for m5.xlarge in "),
        ("VcpuLimitExceeded", "INTERNAL_ERROR", "Request exceeds the EC2 service quota for that type."),
        ("RequestLimitExceeded", "INTERNAL_ERROR", "Failed to provision instances due to throttling from "),
        ("VolumeLimitExceeded", "VALIDATION_ERROR", "The EBS volume limit was exceeded"),
        ("InsufficientFreeAddressesInSubnet", "VALIDATION_ERROR", "The subnet is not large enough"),
        (
            "UnauthorizedOperation",
            "VALIDATION_ERROR",
            "Service role EMR_DefaultRole_V2 has insufficient EC2 ",
        ),
        ("InternalError", "INTERNAL_ERROR", "no (InternalError)"),
    ],
)
def test_ec2s_refusals_are_reported_in_emrs_words(
    launch: Launch, refusal: str, code: str, message: str
) -> None:
    launch.ec2.refusal = refusal
    with pytest.raises(StartFailureError) as failure:
        launch()
    reason = failure.value.ending.reason
    assert (reason.code, reason.message and reason.message[: len(message)]) == (code, message)
    assert failure.value.ending.with_errors


class RecordingEc2:
    """EC2 with its instances; `loses_answer` launches and says nothing."""

    def __init__(self) -> None:
        self.loses_answer = self.hangs = False
        self.instances: list[Any] = []
        self.request: dict[str, Any] = {}

    def run_instances(self, **request: Any) -> dict[str, Any]:
        self.request = request
        self.instances.append(SimpleNamespace(id="i-1", state="running", client_token=request["ClientToken"]))
        if self.loses_answer:
            raise ConnectionClosedError(endpoint_url="http://nowhere")
        placement = {"AvailabilityZone": "us-east-1a"}
        addresses = {"PrivateIpAddress": "10.0.0.1", "PrivateDnsName": "ip"}
        return {"Instances": [{"InstanceId": "i-1", "Placement": placement, **addresses}]}

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:  # noqa: N803  # boto3's name
        for instance in self.instances:
            if instance.id in InstanceIds:
                instance.state = "shutting-down" if self.hangs else "terminated"


@pytest.fixture
def recording(emr: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Capacity, RecordingEc2]:
    ec2 = RecordingEc2()
    cluster = new_cluster(emr.run_request(), "nodes", datetime.now(UTC))
    capacity = Capacity(cluster, "http://nowhere", SystemClock())
    other = SimpleNamespace(id="i-of-another", state="running", client_token=None)
    ec2.instances.append(other)
    for name, stand_in in (
        ("_ec2", lambda: ec2),
        ("_check_roles", lambda: None),
        ("_security_groups", lambda *_: ["sg-1"]),
        ("_protect", lambda *_, **__: None),
        ("_all_instances", lambda: ec2.instances),
    ):
        monkeypatch.setattr(capacity, name, stand_in)
    return capacity, ec2


def states_of(ec2: RecordingEc2) -> dict[str, str]:
    return {instance.id: instance.state for instance in ec2.instances}


def test_a_launch_whose_answer_is_lost_leaves_no_instance_behind_the_cluster(
    recording: tuple[Capacity, RecordingEc2],
) -> None:
    capacity, ec2 = recording
    ec2.loses_answer = True
    with pytest.raises(StartFailureError, match="Connection was closed"):
        launch_master(capacity)
    capacity.end()
    assert states_of(ec2) == {"i-of-another": "running", "i-1": "terminated"}


def test_an_instance_that_was_stopped_is_lost_and_ends_with_its_cluster(
    recording: tuple[Capacity, RecordingEc2],
) -> None:
    capacity, ec2 = recording
    master = capacity._cluster.master
    master.instances.extend(launch_master(capacity))
    assert ec2.request["InstanceInitiatedShutdownBehavior"] == "terminate"
    ec2.instances[-1].state = "stopped"
    assert capacity.lost() == {"i-1"}
    master.instances.clear()  # as the records do without it
    capacity.end()
    assert states_of(ec2) == {"i-of-another": "running", "i-1": "terminated"}


def test_instances_that_do_not_end_in_time_are_named_each_time_they_are_ended(
    recording: tuple[Capacity, RecordingEc2], monkeypatch: pytest.MonkeyPatch
) -> None:
    capacity, ec2 = recording
    launch_master(capacity)
    ec2.hangs = True
    monkeypatch.setattr(capacities, "END_TIMEOUT_SECONDS", 0.0)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="i-1"):
            capacity.end()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ([0, 1], None),
        ([0, 2], "do not belong to the same VPC"),
        (["subnet-none"], "The subnet subnet-none does not exist."),
    ],
)
def test_subnets_have_their_zones_and_must_be_of_one_vpc(
    emr: Any, asked: list[Any], reason: str | None
) -> None:
    cluster = new_cluster(emr.run_request(), "nodes", datetime.now(UTC))
    cluster.account_id = "555555555555"
    ec2 = ec2_backends[cluster.account_id]["us-east-1"]
    vpcs = [ec2.create_vpc(f"10.{number}.0.0/16") for number in (1, 2)]
    zones = ("us-east-1a", "us-east-1b")
    made = [ec2.create_subnet(vpcs[0].id, f"10.1.{n}.0/24", availability_zone=z) for n, z in enumerate(zones)]
    made.append(ec2.create_subnet(vpcs[1].id, "10.2.0.0/24", availability_zone=zones[0]))
    cluster.request["Instances"]["Ec2SubnetIds"] = [made[i].id if isinstance(i, int) else i for i in asked]
    capacity = Capacity(cluster, "http://nowhere", SystemClock())
    if reason:
        with pytest.raises(StartFailureError, match=reason):
            capacity.places()
    else:
        assert [place.zone for place in capacity.places()] == list(zones)


def test_a_bid_in_percent_is_one_of_the_on_demand_price() -> None:
    assert instance_types.bid("m5.xlarge", None, 50.0) == "0.0960"
    assert instance_types.bid("m5.xlarge", "0.25", None) == "0.25"
    assert instance_types.bid("m5.xlarge", None, None) is None


BOTH = ["elasticmapreduce.amazonaws.com", "application-autoscaling.amazonaws.com"]


@pytest.mark.parametrize(
    ("services", "refusal"),
    [
        (BOTH, None),
        (BOTH[:1], "Unable to assume IAM role: arn:aws:iam::555555555556:role/scaling"),
        (None, "Unable to assume IAM role: arn:aws:iam::555555555556:role/scaling"),
    ],
)
def test_the_role_of_automatic_scaling_must_trust_emr_and_application_auto_scaling(
    emr: Any, services: list[str] | None, refusal: str | None
) -> None:
    cluster = new_cluster(emr.run_request(), "nodes", datetime.now(UTC))
    cluster.account_id = "555555555556"
    iam = iam_backends[cluster.account_id]["aws"]
    if services is not None:
        statement = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role("scaling", trust, "/", None, "", [], 3600)
    try:
        capacity = Capacity(cluster, "http://nowhere", SystemClock())
        assert capacity.refusal_of_scaling_role("scaling") == refusal
    finally:
        iam.roles.clear()


def test_instances_get_the_metadata_options_of_the_security_configuration(
    recording: tuple[Capacity, RecordingEc2],
) -> None:
    capacity, ec2 = recording
    launch_master(capacity)
    assert "MetadataOptions" not in ec2.request
    capacity._cluster.metadata_options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 3}
    launch_master(capacity)
    assert ec2.request["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 3}


def test_a_service_access_group_without_its_rule_ends_the_start(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"ServiceAccessSecurityGroup": "sg-service"}
    request = emr.run_request(ReleaseLabel="emr-7.13.0", Instances=named)
    capacity = Capacity(new_cluster(request, "nodes", datetime.now(UTC)), "http://nowhere", SystemClock())
    described = {"SecurityGroups": [{"GroupId": "sg-service", "IpPermissions": []}]}
    ec2 = SimpleNamespace(describe_security_groups=lambda **_: described, run_instances=pytest.fail)
    monkeypatch.setattr(capacity, "_ec2", lambda: ec2)
    monkeypatch.setattr(capacity, "_check_roles", lambda: None)
    monkeypatch.setattr(capacities, "managed_groups", lambda *_: {"Master": "sg-m", "Slave": "sg-s"})
    with pytest.raises(
        StartFailureError, match="ingress rule from EmrManagedMasterSecurityGroup on port 9443"
    ):
        launch_master(capacity)


def test_an_added_group_that_is_open_to_everybody_ends_the_start_before_instances_are_launched(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = ec2_backends["555555555555"]["us-east-1"]
    web = backend.create_security_group("web", "open", vpc_id=backend.create_vpc("10.3.0.0/16").id)
    backend.authorize_security_group_ingress(web.id, "tcp", "80", "80", [{"CidrIp": "0.0.0.0/0"}])
    request = emr.run_request(Instances={"AdditionalMasterSecurityGroups": [web.id]})
    cluster = new_cluster(request, "nodes", datetime.now(UTC))
    cluster.account_id = "555555555555"
    capacity = Capacity(cluster, "http://nowhere", SystemClock())
    monkeypatch.setattr(capacity, "_ec2", lambda: SimpleNamespace(run_instances=pytest.fail))
    monkeypatch.setattr(capacity, "_check_roles", lambda: None)
    monkeypatch.setattr(capacities, "managed_groups", lambda *_: {"Master": "sg-m", "Slave": "sg-s"})
    with pytest.raises(StartFailureError, match=rf"\[{web.id}\] contain one or more ingress rules"):
        launch_master(capacity)
