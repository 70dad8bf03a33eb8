"""EC2 instances that are nodes: moto keeps the records, nodes are the machines that they describe.

A state that takes time (pending, stopping, shutting-down) lasts as long as the node takes.
"""

from __future__ import annotations

import base64
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidAMIIdError,
    InvalidInstanceTypeError,
    InvalidKeyPairNameError,
    InvalidSecurityGroupNotFoundError,
    InvalidSnapshotInUse,
    UnvailableAMIIdError,
)
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason
from moto.iam.models import iam_backends

from emrbox.aws.auth import PARTITION
from emrbox.aws.images import ImageLayers
from emrbox.aws.metadata import public_key_line
from emrbox.aws.security_groups import GroupFilters
from emrbox.config import REGION, BoxConfig
from emrbox.errors import BoxError
from emrbox.nodes.network import mac_address
from emrbox.nodes.tree import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from moto.ec2.models.amis import Ami
    from moto.ec2.models.instances import Instance, MetadataOptions, Reservation
    from moto.ec2.responses.general import General

    from emrbox.nodes.node import Node
    from emrbox.nodes.registry import NodeRegistry

PENDING, RUNNING, SHUTTING_DOWN = ("pending", 0), ("running", 16), ("shutting-down", 32)
TERMINATED, STOPPING, STOPPED = ("terminated", 48), ("stopping", 64), ("stopped", 80)
BY_ITSELF = "Client.InstanceInitiatedShutdown"
BY_THE_BOX = "Server.InternalError"

# Those of images for IMDSv2 (`ImdsSupport` v2.0), as Amazon Linux 2023's are: EC2 User Guide, "Order of
# precedence for instance metadata options".
METADATA_OPTIONS = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
# Arguments of moto's for a change of the options -> what it keeps.
METADATA_ATTRIBUTES = {
    "http_tokens": "http_tokens",
    "hop_limit": "http_put_response_hop_limit",
    "http_endpoint": "http_endpoint",
    "http_protocol": "http_protocol_ipv6",
    "metadata_tags": "instance_metadata_tags",
}
# moto launches MinCount instances; EC2 launches MaxCount when it can.
max_count: ContextVar[int | None] = ContextVar("max_count", default=None)


class RealInstances:
    """Keeps nodes and moto's instances of one account consistent."""

    def __init__(
        self, config: BoxConfig, registry: NodeRegistry, account_id: str, launching: threading.Lock
    ) -> None:
        self.backend: Any = ec2_backends[account_id][REGION]
        self.images = ImageLayers(config, self.backend)
        self._registry = registry
        self._filters = GroupFilters(self.backend, registry.nodes, config.gateway)
        self._launches: dict[str, Reservation] = {}  # by client token
        self._launching = launching  # of all accounts: they share the network's addresses
        self._states = threading.RLock()  # an instance that is ended while it boots must not run again

    def run_instances(self, original: Callable[..., Reservation], **request: Any) -> Reservation:
        """RunInstances: moto checks and records, then every instance boots."""
        with self._launching:
            token = request.get("client_token")
            if token in self._launches:
                return self._launches[token]
            request["count"] = max_count.get() or request["count"]
            self._check(request)
            self._place(request)
            request["metadata_options"] = {**METADATA_OPTIONS, **(request.get("metadata_options") or {})}
            try:
                reservation = original(**request)
            except InvalidInstanceTypeError:
                text = f"Invalid value '{request['instance_type']}' for InstanceType."
                raise EC2ClientError("InvalidParameterValue", text) from None
            except StopIteration:
                raise EC2ClientError(
                    "InsufficientFreeAddressesInSubnet", "There are not enough free addresses in the subnet."
                ) from None
            if token and token != "ABCDE":  # noqa: S105  # what moto fills in when there is none
                self._launches[token] = reservation
        profile = {k: v for k, v in request.items() if k.startswith("iam_instance_profile_") and v}
        for index, instance in enumerate(reservation.instances):
            if profile and index:  # moto gives the profile to the first one only, after this
                self.backend.associate_iam_instance_profile(instance_id=instance.id, **profile)
            if not instance.security_groups:
                # Of its first interface, where moto keeps the VPC's default group, too.
                instance.security_groups = list(instance.nics[0].group_set)
            instance.nics[0].mac_address = mac_address(str(instance.private_ip))
            _set(instance, PENDING)
            # Here, not in the background: who ends the instance at once must find its node.
            self._in_background(self._boot, instance, self._node(instance, self._role_name(profile), token))
        return reservation

    def _check(self, request: dict[str, Any]) -> None:
        """Refuse what moto would accept."""
        key_name = request.get("key_name")
        if key_name and key_name not in self.backend.key_pairs:
            raise InvalidKeyPairNameError({key_name})
        for group in request.get("security_group_names") or []:
            if self.backend.get_security_group_by_name_or_id(group) is None:
                raise InvalidSecurityGroupNotFoundError(group)
        template = request.get("launch_template")
        if request.get("image_id"):
            self._check_image(request["image_id"])
        if not request.get("image_id") and not template:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")

    def _check_image(self, ami_id: str) -> None:
        """Refuse an image that is not there, not emrbox's, or not finished."""
        ami = self.backend.amis.get(ami_id)
        if ami is None or not self.images.knows(ami_id):
            raise InvalidAMIIdError(ami_id)
        if ami.state != "available":
            raise UnvailableAMIIdError(ami_id)

    def _place(self, request: dict[str, Any]) -> None:
        """Choose a default subnet for a launch that names none; moto would go back to EC2-Classic."""
        nics = request.get("nics") or []
        if request.get("subnet_id") or any("SubnetId" in nic for nic in nics):
            return
        subnets = self.backend.get_default_subnets()
        subnet = subnets.get(request.get("placement") or min(subnets))
        if subnet is None:
            return
        if nics:
            nics[0]["SubnetId"] = subnet.id
        else:
            request["subnet_id"] = subnet.id

    def _role_name(self, profile: dict[str, str]) -> str | None:
        if not profile:
            return None
        name = (
            profile.get("iam_instance_profile_name") or profile["iam_instance_profile_arn"].rpartition("/")[2]
        )
        roles = iam_backends[self.backend.account_id][PARTITION].get_instance_profile(name).roles
        return roles[0].name if roles else None

    def _node(self, instance: Instance, role_name: str | None, token: str | None) -> Node:
        pair = self.backend.key_pairs.get(instance.key_name) if instance.key_name else None
        spec = NodeSpec(
            instance_id=instance.id,
            address=str(instance.private_ip),
            host_name=instance.private_dns_name,
            layers=self.images.of_launch(instance.image_id, token),
            authorized_key=public_key_line(pair) if pair else None,
            user_data=_decoded(instance.user_data),
            role_name=role_name,
        )
        node = self._registry.create(spec)
        node.on_exit = lambda: self._ended_by_itself(instance)
        return node

    def filter_nodes(self) -> None:
        """Filter each node's network as the security groups are now; returns when it is so."""
        self._filters.refresh()

    def _boot(self, instance: Instance, node: Node) -> None:
        try:
            self.filter_nodes()
            node.start()
        except (BoxError, OSError) as problem:
            if instance.state != PENDING[0]:
                return  # ended while it was starting
            self._registry.remove(instance.id, f"{instance.id} did not start: {problem}")
            node.stop()
            instance.terminate()
            _set(instance, TERMINATED, BY_THE_BOX, f"{BY_THE_BOX}: {problem}")
            return
        with self._states:
            if instance.state != PENDING[0]:
                return
            _set(instance, RUNNING)
        self._registry.mark_running(instance.id)

    def _ended_by_itself(self, instance: Instance) -> None:
        """Record that the node was shut down from inside, or its first process killed."""
        text = f"{BY_ITSELF}: Instance initiated shutdown"
        for_good = instance.instance_initiated_shutdown_behavior == "terminate"
        with self._states:
            if instance.state not in (PENDING[0], RUNNING[0]):
                return  # it is being ended
            (instance.terminate if for_good else instance.stop)()
            _set(instance, SHUTTING_DOWN if for_good else STOPPED, BY_ITSELF, text)
        if for_good:
            self._remove(instance)
        else:
            self._registry.mark_ended(instance.id, f"{instance.id} was shut down from inside")

    def terminate_instances(self, original: Callable[..., Any], instance_ids: list[str]) -> Any:
        """TerminateInstances: `terminated` when no process and no file of the node is left."""
        with self._states:
            answer = original(instance_ids)
            ending = [i for i, before in answer if before.name not in (TERMINATED[0], SHUTTING_DOWN[0])]
            for instance in ending:
                _set(instance, SHUTTING_DOWN)
        for instance in ending:
            self._in_background(self._remove, instance)
        return answer

    def _remove(self, instance: Instance) -> None:
        for node in self._registry.nodes():
            if node.spec.instance_id == instance.id:
                node.stop()
        self._registry.remove(instance.id, f"{instance.id} was terminated")
        _set(instance, TERMINATED)
        self.filter_nodes()  # before another instance gets the address
        self.backend.get_subnet(instance.subnet_id).del_subnet_ip(instance.private_ip)

    def stop_instances(self, original: Callable[..., Any], instance_ids: list[str]) -> Any:
        """StopInstances: the node's processes end, its files stay."""
        with self._states:
            answer = original(instance_ids)
            ending = [i for i, before in answer if before.name in (PENDING[0], RUNNING[0])]
            for instance in ending:
                _set(instance, STOPPING)
        for instance in ending:
            self._in_background(self._halt, instance)
        return answer

    def _halt(self, instance: Instance) -> None:
        self._registry.mark_ended(instance.id, f"{instance.id} was stopped")
        self._registry.get(instance.id).halt()
        _set(instance, STOPPED)

    def start_instances(self, original: Callable[..., Any], instance_ids: list[str]) -> Any:
        """StartInstances: the node boots again with the files it had."""
        for instance_id in instance_ids:
            if self.backend.get_instance(instance_id).state not in (STOPPED[0], RUNNING[0], PENDING[0]):
                raise EC2ClientError(
                    "IncorrectInstanceState",
                    f"The instance '{instance_id}' is not in a state from which it can be started.",
                )
        answer = original(instance_ids)
        for instance, previous in answer:
            if previous.name == STOPPED[0]:
                _set(instance, PENDING)
                self._in_background(self._boot, instance, self._registry.get(instance.id))
        return answer

    def reboot_instances(self, original: Callable[..., Any], instance_ids: list[str]) -> Any:
        """RebootInstances: the node's processes end and it boots again; its state stays `running`."""
        answer = original(instance_ids)
        for instance in answer:
            self._in_background(self._registry.get(instance.id).reboot)
        return answer

    def modify_instance_metadata_options(
        self, original: Callable[..., MetadataOptions], instance_id: str, **asked: Any
    ) -> MetadataOptions:
        """ModifyInstanceMetadataOptions: options that are not given stay, which moto would reset."""
        options = self.backend.get_instance(instance_id).metadata_options
        for name, kept in METADATA_ATTRIBUTES.items():
            if asked.get(name) is None:
                asked[name] = getattr(options, kept)
        return original(instance_id, **asked)

    def create_image(
        self,
        original: Callable[..., Ami],
        instance_id: str,
        name: str,
        description: str,
        tag_specifications: Sequence[Mapping[str, Any]] = (),
    ) -> Ami:
        """CreateImage: the node's own files become one more layer."""
        instance = self.backend.get_instance(instance_id)
        if instance.state not in (RUNNING[0], STOPPED[0]):
            text = f"The instance '{instance_id}' is not in a state from which an image can be created."
            raise EC2ClientError("IncorrectState", text)
        of_snapshot = [one for one in tag_specifications if one["ResourceType"] == "snapshot"]
        others = [one for one in tag_specifications if one["ResourceType"] != "snapshot"]
        ami = original(instance_id, name, description, tag_specifications=others)
        ami.root_device_type, ami.root_device_name = "ebs", instance.root_device_name
        root = instance.block_device_mapping.get(instance.root_device_name)
        if root is not None:
            ami.ebs_snapshot.volume = self.backend.get_volume(root.volume_id)
            ami.ebs_snapshot.encrypted = ami.ebs_snapshot.volume.encrypted
        for specification in of_snapshot:
            ami.ebs_snapshot.add_tags({tag["Key"]: tag["Value"] for tag in specification["Tags"]})
        self.images.save(ami, self._registry.get(instance_id))
        return ami

    def copy_image(self, original: Callable[..., Ami], source_image_id: str, *rest: Any) -> Ami:
        """CopyImage: the copy has a snapshot of its own, with the same files."""
        ami = original(source_image_id, *rest)
        source = self.backend.amis[source_image_id]
        ami.root_device_type, ami.root_device_name = source.root_device_type, source.root_device_name
        ami.ebs_snapshot.volume = source.ebs_snapshot.volume
        self.images.copy(ami, source_image_id)
        return ami

    def deregister_image(self, original: Callable[..., None], ami_id: str) -> None:
        """DeregisterImage: nothing is launched from it any more; its snapshot stays."""
        original(ami_id)
        self.images.forget(ami_id, self._layers_in_use())

    def delete_snapshot(self, original: Callable[..., Any], snapshot_id: str) -> Any:
        """DeleteSnapshot: the files of an image that was deregistered are removed."""
        for ami in list(self.backend.amis.values()):
            if ami.ebs_snapshot.id == snapshot_id:
                raise InvalidSnapshotInUse(snapshot_id, ami.id)
        deleted = original(snapshot_id)
        self.images.forget(snapshot_id, self._layers_in_use())
        return deleted

    def _layers_in_use(self) -> set[Path]:
        return {layer for node in self._registry.nodes() for layer in node.spec.layers}

    def console_output(self, response: General) -> ActionResult:
        """GetConsoleOutput: what the node's first process has printed."""
        instance = self.backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001  # moto's own way
        nodes = [node for node in self._registry.nodes() if node.spec.instance_id == instance.id]
        text = nodes[0].console.decode(errors="replace") if nodes else ""
        output = Base64EncodedString.from_raw_string(text)
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})

    def _in_background(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, name=work.__name__, daemon=True).start()


def _set(instance: Instance, state: tuple[str, int], code: str = "", message: str = "") -> None:
    instance._state.name, instance._state.code = state  # noqa: SLF001  # moto sets it the same way
    if code:
        instance.state_reason = StateReason(message, code)


def _decoded(user_data: Base64EncodedString | None) -> bytes | None:
    return None if user_data is None else base64.b64decode(str(user_data))
