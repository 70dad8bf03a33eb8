"""EC2 on real machines: moto's EC2 in this process launches and ends the box's nodes.

moto has no extension point for this, so methods of its backend are wrapped.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import moto.settings
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

from emrbox.aws import group_calls, image_calls, resource_tags, volumes
from emrbox.aws.instances import SHUTTING_DOWN, TERMINATED, RealInstances, max_count
from emrbox.config import ACCOUNT_ID, REGION, BoxConfig

if TYPE_CHECKING:
    from emrbox.nodes.registry import NodeRegistry


class Accounts:
    """Every account's instances, on the one network of the box."""

    def __init__(self, config: BoxConfig, registry: NodeRegistry) -> None:
        self._config = config
        self._registry = registry
        self._launching = threading.Lock()
        self._by_id: dict[str, RealInstances] = {}
        _give_the_default_vpc(config)

    def add(self, account_id: str) -> RealInstances:
        """Give an account the images and real instances."""
        added = RealInstances(self._config, self._registry, account_id, self._launching)
        self._by_id[account_id] = added
        return added

    def open_account(self, account_id: str) -> None:
        """Make a new account's default network and images."""
        self.add(account_id)

    def close_account(self, account_id: str) -> None:
        """End an account's instances and forget it."""
        backend = ec2_backends[account_id][REGION]
        everything = [i for r in list(backend.reservations.values()) for i in r.instances]
        if left := [i.id for i in everything if i.state not in (TERMINATED[0], SHUTTING_DOWN[0])]:
            backend.terminate_instances(left)
        self._by_id.pop(account_id, None)

    def of(self, backend: Any) -> RealInstances | None:
        """Return the account's instances; None in a region without any, or when the account is closed."""
        return self._by_id.get(backend.account_id) if backend.region_name == REGION else None


def make_instances_real(config: BoxConfig, registry: NodeRegistry) -> Accounts:
    """Make moto's EC2 in this process launch and end nodes of `registry` from now on."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # read when the backend is made: emrbox has its own
    moto.settings.ENABLE_AMI_VALIDATION = True
    moto.settings.EC2_ENABLE_INSTANCE_TYPE_VALIDATION = True
    accounts = Accounts(config, registry)
    accounts.add(ACCOUNT_ID)
    launch = EC2Backend.run_instances

    def run_instances(
        backend: Any, image_id: str, count: int, user_data: Any, security_group_names: list[str], **more: Any
    ) -> Any:
        def original(**request: Any) -> Any:
            return launch(backend, **request)

        real = accounts.of(backend)
        if real is None:
            raise EC2ClientError("UnauthorizedOperation", f"emrbox has instances in {REGION} only.")
        return real.run_instances(
            original,
            image_id=image_id,
            count=count,
            user_data=user_data,
            security_group_names=security_group_names,
            **more,
        )

    EC2Backend.run_instances = run_instances
    for name in (
        "terminate_instances",
        "stop_instances",
        "start_instances",
        "reboot_instances",
        "create_image",
        "copy_image",
        "deregister_image",
        "delete_snapshot",
        "modify_instance_metadata_options",
    ):
        _wrap(accounts, name)
    before = General.get_console_output

    def get_console_output(response: General) -> Any:
        real = accounts.of(response.ec2_backend)
        return before(response) if real is None else real.console_output(response)

    General.get_console_output = get_console_output
    _launch_max_count()
    resource_tags.find_by_id()
    volumes.complete()
    image_calls.complete(accounts)
    group_calls.complete(accounts)
    return accounts


def _wrap(accounts: Accounts, name: str) -> None:
    before = getattr(EC2Backend, name)

    def method(backend: Any, *arguments: Any, **named: Any) -> Any:
        original, real = before.__get__(backend), accounts.of(backend)
        if real is None:
            return original(*arguments, **named)
        return getattr(real, name)(original, *arguments, **named)

    setattr(EC2Backend, name, method)


def _launch_max_count() -> None:
    before = InstanceResponse.run_instances

    def run_instances(response: Any) -> Any:
        reset = max_count.set(int(response._get_param("MaxCount", 0)) or None)  # noqa: SLF001  # moto's own way
        try:
            return before(response)
        finally:
            max_count.reset(reset)

    InstanceResponse.run_instances = run_instances


def _give_the_default_vpc(config: BoxConfig) -> None:
    """Make the box's network the default VPC of its region. Its subnets map no public addresses."""
    before = EC2Backend.create_default_vpc
    shared: dict[str, Any] = {}  # zone -> the first account's subnet: each address is used once in a box

    def create_default_vpc(backend: Any) -> Any:
        if backend.region_name != REGION:
            return before(backend)
        vpc = backend.create_vpc(cidr_block=str(config.network), is_default=True)
        for zone, network in config.subnets.items():
            subnet = backend.create_subnet(vpc.id, str(network), availability_zone=zone)
            subnet.map_public_ip_on_launch = False
            first = shared.setdefault(zone, subnet)
            for name in ("_unused_ips", "_subnet_ips"):
                setattr(subnet, name, getattr(first, name))
        return vpc

    EC2Backend.create_default_vpc = create_default_vpc
