"""What a security configuration may say, and what of it nodes here cannot do.

Members: Management Guide, "Create a security configuration with the Amazon EMR console or with the AWS CLI",
and its pages on runtime roles, Lake Formation, Ranger and IAM Identity Center. The words of refusals are a
guess.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import AwsError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]
# A value's own table of members, the values that it may have, or its type.
Allowed = dict[str, Any] | range | frozenset[str] | type

# Each member -> what it may be. The tables end where EMR's own services begin to read them.
MEMBERS: dict[str, Allowed] = {
    "EncryptionConfiguration": {
        "EnableInTransitEncryption": bool,
        "EnableAtRestEncryption": bool,
        "InTransitEncryptionConfiguration": {
            "TLSCertificateConfiguration": {
                "CertificateProviderType": frozenset({"PEM", "Custom"}),
                "S3Object": str,
                "CertificateProviderClass": str,
            }
        },
        "AtRestEncryptionConfiguration": {
            "S3EncryptionConfiguration": {
                "EncryptionMode": frozenset({"SSE-S3", "SSE-KMS", "CSE-KMS", "CSE-Custom"}),
                "AwsKmsKey": str,
                "S3Object": str,
                "EncryptionKeyProviderClass": str,
                "Overrides": list,
            },
            "LocalDiskEncryptionConfiguration": {
                "EncryptionKeyProviderType": frozenset({"AwsKms", "Custom"}),
                "AwsKmsKey": str,
                "S3Object": str,
                "EncryptionKeyProviderClass": str,
                "EnableEbsEncryption": bool,
            },
        },
    },
    "AuthenticationConfiguration": {"KerberosConfiguration": dict, "IdentityCenterConfiguration": dict},
    "AuthorizationConfiguration": {
        "EmrFsConfiguration": {"RoleMappings": list},
        "IAMConfiguration": {
            "EnableApplicationScopedIAMRole": bool,
            "ApplicationScopedIAMRoleConfiguration": {"PropagateSourceIdentity": bool},
        },
        "LakeFormationConfiguration": dict,
        "RangerConfiguration": dict,
    },
    "LakeFormationConfiguration": dict,
    "InstanceMetadataServiceConfiguration": {
        "MinimumInstanceMetadataServiceVersion": range(1, 3),
        "HttpPutResponseHopLimit": range(1, 65),
    },
}
# Members without which the one that has them means nothing.
REQUIRED: dict[str, tuple[str, ...]] = {
    "EncryptionConfiguration": ("EnableInTransitEncryption", "EnableAtRestEncryption"),
    "TLSCertificateConfiguration": ("CertificateProviderType", "S3Object"),
    "S3EncryptionConfiguration": ("EncryptionMode",),
    "LocalDiskEncryptionConfiguration": ("EncryptionKeyProviderType",),
    "EmrFsConfiguration": ("RoleMappings",),
    "InstanceMetadataServiceConfiguration": ("MinimumInstanceMetadataServiceVersion",),
}
# What is switched on -> what then has to say how.
SWITCHES = {
    "EnableInTransitEncryption": "InTransitEncryptionConfiguration",
    "EnableAtRestEncryption": "AtRestEncryptionConfiguration",
}


def _has(*path: str) -> Callable[[Document], bool]:
    def has(document: Document) -> bool:
        value: Any = document
        for name in path:
            value = value.get(name, {})
        return bool(value)

    return has


# What nodes of emrbox cannot do -> whether a configuration asks for it.
NOT_ON_NODES: dict[str, Callable[[Document], bool]] = {
    "encryption at rest": _has("EncryptionConfiguration", "EnableAtRestEncryption"),
    "encryption in transit": _has("EncryptionConfiguration", "EnableInTransitEncryption"),
    "Kerberos": _has("AuthenticationConfiguration", "KerberosConfiguration"),
    "IAM Identity Center": _has("AuthenticationConfiguration", "IdentityCenterConfiguration"),
    "IAM roles for EMRFS": _has("AuthorizationConfiguration", "EmrFsConfiguration"),
    "runtime roles of steps": _has(
        "AuthorizationConfiguration", "IAMConfiguration", "EnableApplicationScopedIAMRole"
    ),
    "Lake Formation": lambda document: (
        "LakeFormationConfiguration" in document
        or "LakeFormationConfiguration" in document.get("AuthorizationConfiguration", {})
    ),
    "Apache Ranger": _has("AuthorizationConfiguration", "RangerConfiguration"),
}


def parsed(text: str) -> Document:
    """Return what the JSON of a security configuration says. Raises InvalidRequestException."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid_request("The security configuration is not valid JSON.") from None
    if not isinstance(document, dict) or not document:
        raise invalid_request("The security configuration must be a JSON object with at least one member.")
    _check("", document, MEMBERS)
    return document


def not_on_nodes(document: Document) -> list[str]:
    """Return what a checked configuration asks for that nodes of emrbox do not have."""
    return [what for what, is_asked in NOT_ON_NODES.items() if is_asked(document)]


def _check(path: str, value: Any, allowed: Allowed) -> None:
    if isinstance(allowed, dict):
        _check_members(path, value, allowed)
    elif isinstance(allowed, type):
        if not isinstance(value, allowed):
            raise _wrong(path, f"must be a {allowed.__name__}")
    elif isinstance(value, bool) or not isinstance(value, int | str) or value not in allowed:
        low_to_high = f"{min(allowed)} to {max(allowed)}"
        choices = low_to_high if isinstance(allowed, range) else ", ".join(sorted(allowed))
        raise _wrong(path, f"must be one of: {choices}")


def _check_members(path: str, value: Any, allowed: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, "must be an object")
    for name, member in value.items():
        own = f"{path}.{name}".lstrip(".")
        if name not in allowed:
            raise _wrong(own, "is not a member of a security configuration")
        _check(own, member, allowed[name])
    required = [*REQUIRED.get(path.rpartition(".")[2], ())]
    required += [needed for switch, needed in SWITCHES.items() if value.get(switch)]
    for name in required:
        if name not in value:
            raise _wrong(f"{path}.{name}", "is required")


def _wrong(path: str, what: str) -> AwsError:
    return invalid_request(f"The security configuration is not valid: {path[:200]} {what}.")
