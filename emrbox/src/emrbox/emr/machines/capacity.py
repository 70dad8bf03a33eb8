"""EC2 for one cluster: launches, tags and ends instances with the service role's permissions, as EMR does."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.ec2.models import ec2_backends
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from emrbox.aws.auth import PARTITION, role_caller
from emrbox.aws.images import expect_release
from emrbox.aws.policies import trusts_service
from emrbox.config import ACCOUNT_ID, REGION, image_id
from emrbox.emr import ids, instance_types, releases, storage
from emrbox.emr.life import endings
from emrbox.emr.life.layer import NoCapacityError, StartFailureError
from emrbox.emr.life.model import SPOT, Cluster, Ending, Group, Instance, Place, Status
from emrbox.emr.life.places import asked_places
from emrbox.emr.life.states import InstanceState
from emrbox.emr.machines.clients import client_as
from emrbox.emr.machines.public_access import check_public_access
from emrbox.emr.machines.security_groups import lacks_rule_of_service, managed_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.model import Purchase, TypeConfig

LOG = logging.getLogger(__name__)
EMR_PRINCIPAL = "elasticmapreduce.amazonaws.com"
SCALING_PRINCIPAL = "application-autoscaling.amazonaws.com"
JOB_FLOW_TAG = "aws:elasticmapreduce:job-flow-id"
ROLE_TAG = "aws:elasticmapreduce:instance-group-role"
REFUSED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthFailure"})
END_TIMEOUT_SECONDS = 120.0
LOOK_SECONDS = 0.05
# EC2 has no such instances at present, or none for the bid (EC2 API Reference, "Error codes").
NO_CAPACITY = frozenset({"InsufficientInstanceCapacity", "SpotMaxPriceTooLow"})
NOT_RUNNING = frozenset({"terminated", "shutting-down", "stopped", "stopping"})


def role_of_profile(name: str, account_id: str = ACCOUNT_ID) -> str:
    """Return the role in an instance profile; KeyError if there is no such profile or it is empty."""
    try:
        profile = iam_backends[account_id][PARTITION].get_instance_profile(name)
    except NotFoundException:
        raise KeyError(name) from None
    if not profile.roles:
        raise KeyError(name)
    return str(profile.roles[0].name)


class Capacity:
    """The EC2 instances of one cluster."""

    def __init__(self, cluster: Cluster, endpoint_url: str, clock: Clock) -> None:
        self._cluster = cluster
        self._endpoint_url = endpoint_url
        self._clock = clock
        self._client: Any = None
        self._launched: list[str] = []  # EC2 ids, from RunInstances' answer on
        self._tokens: set[str] = set()  # of every RunInstances: its answer may be lost

    def places(self) -> list[Place]:
        """Return where the cluster may be launched. Raises StartFailureError for subnets that do not fit."""
        places = asked_places(self._cluster.request["Instances"], self._place_of)
        if len({place.vpc_id for place in places}) > 1:
            raise StartFailureError(endings.by_several_vpcs(places))
        return places

    def _place_of(self, subnet_id: str) -> Place:
        found = (by_id[subnet_id] for by_id in self._backend.subnets.values() if subnet_id in by_id)
        subnet = next(found, None)
        if subnet is None:
            raise StartFailureError(endings.by_validation(f"The subnet {subnet_id} does not exist."))
        return Place(str(subnet.availability_zone), subnet_id, str(subnet.vpc_id))

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        """Run instances for the group. Raises StartFailureError with EMR's reason when EC2 or IAM refuses."""
        if purchase.count == 0:
            return []
        self._check_roles()
        tags = dict(self._cluster.tags)
        try:
            answer = self._ec2().run_instances(**self._run_request(group, purchase))
        except ClientError as problem:
            raise self._failure(problem, group, purchase) from problem
        except BotoCoreError as problem:
            ending = endings.by_ec2_refusal(type(problem).__name__, str(problem))
            raise StartFailureError(ending) from problem
        launched = answer["Instances"]
        new = [i["InstanceId"] for i in launched]
        self._launched += new
        self._mark(launched, group)
        # As DisableApiTermination of the launch, which moto does not read.
        self._protect(new, protected=self._cluster.termination_protected)
        self._catch_up(new, tags)
        self._cluster.subnet_id = launched[0].get("SubnetId")
        self._cluster.availability_zone = launched[0]["Placement"]["AvailabilityZone"]
        now = self._clock.now()
        return [
            Instance(
                id=ids.instance_id(),
                ec2_id=instance["InstanceId"],
                private_ip=instance["PrivateIpAddress"],
                private_dns=instance["PrivateDnsName"],
                type=purchase.type,
                market=purchase.market,
                fills=purchase.fills,
                status=Status(InstanceState.PROVISIONING, now),
                volumes=_volumes(instance, purchase.type),
            )
            for instance in launched
        ]

    def _mark(self, launched: list[dict[str, Any]], group: Group) -> None:
        """Set the tags that only AWS sets, and that EC2 refuses from others."""
        volumes = [m["Ebs"]["VolumeId"] for i in launched for m in i.get("BlockDeviceMappings", [])]
        tags = {JOB_FLOW_TAG: self._cluster.id, ROLE_TAG: group.role}
        self._backend.create_tags([*(i["InstanceId"] for i in launched), *volumes], tags)

    def lost(self) -> set[str]:
        """Return the EC2 ids of instances that EC2 does not run any more."""
        states = self._all_states()
        return {i.ec2_id for i in self._cluster.present if states.get(i.ec2_id, "terminated") in NOT_RUNNING}

    def tag(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        """Change the tags of the instances that are there."""
        self._tag(self._there(), set_tags, remove_keys)

    def _catch_up(self, instance_ids: list[str], launched_with: dict[str, str]) -> None:
        """Give new instances the tags that the cluster has got while EC2 launched them, and take others."""
        now = dict(self._cluster.tags)
        new = {key: value for key, value in now.items() if launched_with.get(key) != value}
        self._tag(instance_ids, new, [key for key in launched_with if key not in now])

    def _tag(self, instance_ids: list[str], set_tags: dict[str, str], remove_keys: list[str]) -> None:
        """Change tags as the service role may; a refusal is logged, as the cluster has its tags anyway."""
        try:
            if instance_ids and set_tags:
                self._ec2().create_tags(Resources=instance_ids, Tags=_tag_list(set_tags))
            if instance_ids and remove_keys:
                self._ec2().delete_tags(Resources=instance_ids, Tags=[{"Key": key} for key in remove_keys])
        except (BotoCoreError, ClientError) as problem:
            LOG.warning("tags of %s did not reach its instances: %s", self._cluster.id, problem)

    def protect(self, *, protected: bool) -> None:
        """Protect the instances against termination by others, or stop doing so (docs/aws_facts.md 1.6)."""
        self._protect(self._there(), protected=protected)

    def _there(self) -> list[str]:
        """Return the EC2 ids of the cluster's instances that EC2 still has."""
        states = self._all_states()
        return [i for i in self._launched if states.get(i, "terminated") not in NOT_RUNNING]

    def _protect(self, instance_ids: Iterable[str], *, protected: bool) -> None:
        for instance_id in instance_ids:
            self._backend.modify_instance_attribute(instance_id, "disable_api_termination", protected)

    def end(self, instances: Sequence[Instance] | None = None) -> None:
        """Terminate these instances, or all that are left: also lost ones that are only stopped.

        A service role that may not end them leaves none behind either. TimeoutError if some go on.
        """
        wanted = self._all_launched() if instances is None else [i.ec2_id for i in instances]
        instance_ids = self._not_terminated(wanted)
        if not instance_ids:
            return
        self._protect(instance_ids, protected=False)
        try:
            self._ec2().terminate_instances(InstanceIds=instance_ids)
        except Exception:
            LOG.exception("the service role could not end %s; emrbox ends them itself", instance_ids)
            ec2_backends[self._cluster.account_id][REGION].terminate_instances(instance_ids)
        deadline = time.monotonic() + END_TIMEOUT_SECONDS
        while left := self._not_terminated(instance_ids):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not terminated after {END_TIMEOUT_SECONDS:.0f} s: {', '.join(left)}")
            time.sleep(LOOK_SECONDS)

    def _not_terminated(self, instance_ids: Iterable[str]) -> list[str]:
        states = self._all_states()
        return [i for i in instance_ids if states.get(i, "terminated") != "terminated"]

    def _all_launched(self) -> list[str]:
        """Return the EC2 ids of all instances, those included of which the answer did not arrive."""
        unanswered = [i.id for i in self._all_instances() if i.client_token in self._tokens]
        return list(dict.fromkeys([*self._launched, *unanswered]))

    def _all_states(self) -> dict[str, str]:
        return {instance.id: instance.state for instance in self._all_instances()}

    def _all_instances(self) -> list[Any]:
        return [i for reservation in list(self._backend.reservations.values()) for i in reservation.instances]

    @property
    def _backend(self) -> Any:
        return ec2_backends[self._cluster.account_id][REGION]

    def _ec2(self) -> Any:
        if self._client is None:
            arn = ids.role_arn(self._cluster.service_role, self._cluster.account_id)
            self._client = client_as("ec2", arn, "ElasticMapReduceSession", self._endpoint_url)
        return self._client

    def _run_request(self, group: Group, purchase: Purchase) -> dict[str, Any]:
        instances = self._cluster.request["Instances"]
        subnet, zone, wanted = self._cluster.subnet_id, self._cluster.availability_zone, purchase.type
        ami = wanted.custom_ami_id or self._cluster.request.get("CustomAmiId")
        tags = _tag_list(self._cluster.tags)
        token = uuid.uuid4().hex
        self._tokens.add(token)
        expect_release(token, releases.SOFTWARE)
        image = ami or image_id(releases.SOFTWARE)
        devices = storage.block_devices(wanted.name, wanted.ebs)
        request: dict[str, Any] = {
            "ClientToken": token,
            "ImageId": image,
            "InstanceType": wanted.name,
            "MinCount": purchase.count,
            "MaxCount": purchase.count,
            "SecurityGroupIds": self._security_groups(group, subnet),
            "BlockDeviceMappings": storage.mappings([self._root(image), *devices]),
            "EbsOptimized": bool(wanted.ebs.get("EbsOptimized")),
            "IamInstanceProfile": {"Name": self._cluster.instance_profile},
            # A node that shuts itself down is lost for good: stopped, it would keep its address and files.
            "InstanceInitiatedShutdownBehavior": "terminate",
        }
        if tags:
            kinds = ("instance", "volume")
            request["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
        if self._cluster.metadata_options:
            request["MetadataOptions"] = self._cluster.metadata_options
        if instances.get("Ec2KeyName"):
            request["KeyName"] = instances["Ec2KeyName"]
        if subnet:
            request["SubnetId"] = subnet
        if zone and not subnet:
            request["Placement"] = {"AvailabilityZone": zone}
        if purchase.market == SPOT:
            bid = instance_types.bid(wanted.name, wanted.bid_price, wanted.bid_percent)
            options = {} if bid is None else {"MaxPrice": bid}
            request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
        return request

    def _root(self, image: str) -> dict[str, Any]:
        """Return the root volume as an entry of EbsBlockDevices, at the device that its image names."""
        known = self._backend.amis.get(image)
        device = known.root_device_name if known else storage.ROOT_DEVICE
        volume = storage.root_volume(self._cluster.release_label, self._cluster.request)
        return {"Device": device, "VolumeSpecification": volume}

    def _security_groups(self, group: Group, subnet: str | None) -> list[str]:
        """Return the managed group of the node's kind, and those that the launch adds."""
        cluster = self._cluster
        if not cluster.security_groups:
            cluster.security_groups = managed_groups(
                self._ec2(), cluster.request["Instances"], subnet, cluster.tags, cluster.release_label
            )
            check_public_access(cluster)
            self._check_service_access()
        kind = "Master" if group.role == "MASTER" else "Slave"
        additional = cluster.request["Instances"].get(f"Additional{kind}SecurityGroups", [])
        return [cluster.security_groups[kind], *additional]

    def _check_service_access(self) -> None:
        cluster = self._cluster
        group = cluster.request["Instances"].get("ServiceAccessSecurityGroup")
        master = cluster.security_groups["Master"]
        if group and lacks_rule_of_service(self._ec2(), group, master, cluster.release_label):
            raise StartFailureError(endings.by_validation(endings.NO_SERVICE_ACCESS))

    def _check_roles(self) -> None:
        """Check that the service role exists, trusts EMR, may pass the nodes' role (docs/aws_facts.md 9)."""
        account_id = self._cluster.account_id
        name = self._cluster.service_role.rpartition("/")[2]
        arn = ids.role_arn(self._cluster.service_role, account_id)
        try:
            role = iam_backends[account_id][PARTITION].get_role(name)
        except NotFoundException:
            role = None
        if role is None or not trusts_emr(role.assume_role_policy_document, self._cluster.id, account_id):
            raise StartFailureError(endings.by_validation(f"EMR service role {arn} is invalid"))
        passed = ids.role_arn(self._cluster.role_name, account_id)
        allowed = role_caller(name, account_id).may(
            "iam:PassRole", passed, {"iam:PassedToService": "ec2.amazonaws.com"}
        )
        if not allowed:
            raise StartFailureError(_insufficient_permissions(name))

    def refusal_of_scaling_role(self, role: str) -> str | None:
        """Return why automatic scaling cannot assume a role; None if it can.

        Its trust policy has to name EMR and Application Auto Scaling (Management Guide, "Service role for
        automatic scaling in Amazon EMR").
        """
        arn = ids.role_arn(role, self._cluster.account_id)
        try:
            found = iam_backends[self._cluster.account_id][PARTITION].get_role(role.rpartition("/")[2])
        except NotFoundException:
            return f"Unable to assume IAM role: {arn}"
        trust = json.loads(found.assume_role_policy_document)
        context = {"aws:SourceAccount": self._cluster.account_id}
        services = (EMR_PRINCIPAL, SCALING_PRINCIPAL)
        trusts = all(trusts_service(trust, one, "sts:AssumeRole", "*", context) for one in services)
        return None if trusts else f"Unable to assume IAM role: {arn}"

    def _failure(self, problem: ClientError, group: Group, purchase: Purchase) -> StartFailureError:
        if problem.response["Error"]["Code"] in NO_CAPACITY:
            return NoCapacityError(endings.without_capacity(self._cluster, group.role, purchase))
        return StartFailureError(self._ending(problem))

    def _ending(self, problem: ClientError) -> Ending:
        code, message = problem.response["Error"]["Code"], problem.response["Error"].get("Message", "")
        instances = self._cluster.request["Instances"]
        if code in REFUSED:
            return _insufficient_permissions(self._cluster.service_role.rpartition("/")[2])
        if code == "InvalidKeyPair.NotFound":
            key = instances.get("Ec2KeyName", "")
            text = f"Invalid SSH key name: {key}"
            return endings.by_validation(
                text, endings.error_detail("VALIDATION_ERROR_INVALID_SSH_KEY_NAME", text, ssh_key=key)
            )
        if code.startswith(("Invalid", "Missing", "Unsupported")):
            return endings.by_validation(message)
        return endings.by_ec2_refusal(code, message)


def _volumes(instance: dict[str, Any], asked: TypeConfig) -> list[dict[str, str]]:
    """Return EbsVolumes: what was asked for and EC2 has attached."""
    wanted = {device["Device"] for device in storage.block_devices(asked.name, asked.ebs)}
    return [
        {"Device": mapping["DeviceName"], "VolumeId": mapping["Ebs"]["VolumeId"]}
        for mapping in instance.get("BlockDeviceMappings", [])
        if mapping["DeviceName"] in wanted
    ]


def _insufficient_permissions(role_name: str) -> Ending:
    return endings.by_validation(f"Service role {role_name} has insufficient EC2 permissions")


def trusts_emr(document: str, cluster_id: str, account_id: str) -> bool:
    """Whether a role's trust policy lets EMR assume it for a cluster, its conditions included."""
    context = {
        "aws:SourceAccount": account_id,
        "aws:SourceArn": ids.cluster_arn(cluster_id, account_id),
    }
    return trusts_service(json.loads(document), EMR_PRINCIPAL, "sts:AssumeRole", "*", context)


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
