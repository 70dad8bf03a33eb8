"""What EC2's calls about security groups do beyond moto's records, and the filters of nodes that follow.

Sources: EC2 API Reference, AuthorizeSecurityGroupIngress, DeleteSecurityGroup, ModifyInstanceAttribute,
ModifyNetworkInterfaceAttribute; VPC User Guide, "Default security groups". Words of errors: as EC2 has been
seen to say them, in issues of Terraform's AWS provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidSecurityGroupNotFoundError
from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.security_groups import SecurityGroups
from moto.ec2.responses.vpcs import VPCs

from emrbox.aws.instances import TERMINATED
from emrbox.aws.security_groups import NUMBERED
from emrbox.nodes.filters import ALL, EVERY_PROTOCOL, ICMP, LAST_PORT, WITH_PORTS

if TYPE_CHECKING:
    from emrbox.aws.instances import RealInstances

# What may change what passes, by moto's classes.
_CHANGES = {
    SecurityGroups: (
        "authorize_security_group_egress",
        "authorize_security_group_ingress",
        "modify_security_group_rules",
        "revoke_security_group_egress",
        "revoke_security_group_ingress",
    ),
    InstanceResponse: ("modify_instance_attribute",),
    ElasticNetworkInterfaces: ("modify_network_interface_attribute",),
    VPCs: ("modify_managed_prefix_list",),
}
_LAST_PROTOCOL, _LAST_TYPE = 255, 255


class Accounts(Protocol):
    """The instances of each account."""

    def of(self, backend: Any) -> RealInstances | None:
        """Return the account's instances; None in a region without any."""


def complete(accounts: Accounts) -> None:
    """Make moto's calls about security groups do this from now on."""
    for responses, names in _CHANGES.items():
        for name in names:
            _filter_after(accounts, responses, name)
    for name in ("authorize_security_group_egress", "authorize_security_group_ingress"):
        _check_rules(name)
    _check_changed_rules()
    _let_default_group_in_itself()
    _keep_used_groups()
    _change_groups_of_instances()


def _filter_after(accounts: Accounts, responses: Any, name: str) -> None:
    before = getattr(responses, name)

    def call(response: Any) -> Any:
        real = accounts.of(response.ec2_backend)
        try:
            return before(response)
        finally:  # a call that is refused may have done a part
            if real is not None:
                real.filter_nodes()

    setattr(responses, name, call)


def _check_rules(name: str) -> None:
    before = getattr(EC2Backend, name)

    def authorize(backend: Any, group_name_or_id: str, ip_protocol: str, **rule: Any) -> Any:
        _check(str(ip_protocol).lower(), rule.get("from_port"), rule.get("to_port"))
        return before(backend, group_name_or_id, ip_protocol, **rule)

    setattr(EC2Backend, name, authorize)


def _check_changed_rules() -> None:
    before = EC2Backend.modify_security_group_rules

    def modify(backend: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
        for rule in rules.values():
            if rule.get("IpProtocol") is not None:
                _check(str(rule["IpProtocol"]).lower(), rule.get("FromPort"), rule.get("ToPort"))
        before(backend, group_id, rules)

    EC2Backend.modify_security_group_rules = modify


def _check(protocol: str, first: Any, last: Any) -> None:
    """Refuse a protocol or ports that moto would keep and no filter has."""
    protocol = NUMBERED.get(protocol, protocol)
    if protocol in (EVERY_PROTOCOL, "all"):
        return
    is_number = protocol.isascii() and protocol.isdigit() and int(protocol) <= _LAST_PROTOCOL
    if protocol not in (*WITH_PORTS, *ICMP) and not is_number:
        text = f"Invalid value '{protocol}' for IP protocol. Unknown protocol."
        raise EC2ClientError("InvalidParameterValue", text)
    if protocol in WITH_PORTS or protocol in ICMP:
        try:
            ports = int(first), int(last)
        except (TypeError, ValueError):
            ports = (ALL - 1, ALL - 1)
        if protocol in ICMP:
            is_right = all(ALL <= one <= _LAST_TYPE for one in ports)
        else:
            is_right = ports == (ALL, ALL) or 0 <= ports[0] <= ports[1] <= LAST_PORT
        if not is_right:
            text = f"Invalid value '{first}-{last}' for the ports, or type and code, of {protocol}."
            raise EC2ClientError("InvalidParameterValue", text)


def _let_default_group_in_itself() -> None:
    before = EC2Backend.create_security_group

    def create_security_group(backend: Any, *arguments: Any, **named: Any) -> Any:
        group = before(backend, *arguments, **named)
        if group.is_default:
            itself = {"GroupId": group.id, "UserId": backend.account_id, "OwnerId": backend.account_id}
            rule = SecurityGroupRule(
                backend, EVERY_PROTOCOL, group.id, None, None, None, itself, is_egress=False
            )
            group.add_ingress_rule(rule)
        return group

    EC2Backend.create_security_group = create_security_group


def _keep_used_groups() -> None:
    before = EC2Backend.delete_security_group

    def delete_security_group(backend: Any, name: str | None = None, group_id: str | None = None) -> None:
        group = backend.get_security_group_by_name_or_id(group_id or name)
        if group is not None and (_has_members(backend, group) or _is_referred_to(backend, group)):
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
        before(backend, name, group_id)

    EC2Backend.delete_security_group = delete_security_group


def _has_members(backend: Any, group: Any) -> bool:
    reservations = list(backend.reservations.values())
    instances = [one for held in reservations for one in held.instances]
    return any(group in one.security_groups for one in instances if one.state != TERMINATED[0])


def _is_referred_to(backend: Any, group: Any) -> bool:
    return any(
        rule.source_group.get("GroupId") == group.id
        for other in backend.describe_security_groups()
        if other is not group
        for rule in (*other.ingress_rules, *other.egress_rules)
    )


def _change_groups_of_instances() -> None:
    """Let an instance have the groups of its first interface, by whichever call they are changed."""
    before = EC2Backend.modify_network_interface_attribute

    def modify_instance_security_groups(backend: Any, instance_id: str, new_group_id_list: list[str]) -> Any:
        instance = backend.get_instance(instance_id)
        instance.security_groups = _known(backend, new_group_id_list)
        instance.nics[0]._group_set = list(instance.security_groups)  # noqa: SLF001  # moto's own way
        return instance

    def modify_network_interface_attribute(
        backend: Any, eni_id: str, group_ids: list[str], *more: Any
    ) -> None:
        groups = _known(backend, group_ids)
        before(backend, eni_id, group_ids, *more)
        interface = backend.get_network_interface(eni_id)
        if groups and interface.instance is not None and interface.device_index == 0:
            interface.instance.security_groups = groups

    EC2Backend.modify_instance_security_groups = modify_instance_security_groups
    EC2Backend.modify_network_interface_attribute = modify_network_interface_attribute


def _known(backend: Any, group_ids: list[str]) -> list[Any]:
    groups = [backend.get_security_group_from_id(one) for one in group_ids]
    for group_id, group in zip(group_ids, groups, strict=True):
        if group is None:
            raise InvalidSecurityGroupNotFoundError(group_id)
    return groups
