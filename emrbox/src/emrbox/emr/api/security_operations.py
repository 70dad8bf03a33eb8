"""EMR's operations on what an account says about security.

Each takes the settings of the caller's account and region, a request that fits the model, the caller's ARN
and the time, and answers the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.emr.api.paging import page
from emrbox.emr.api.security_validation import not_on_nodes, parsed
from emrbox.emr.api.views import present
from emrbox.emr.life.security import PublicAccess, SecurityConfiguration

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.aws.errors import AwsError
    from emrbox.emr.life.security import SecuritySettings

Document = dict[str, Any]
UNKNOWN = "Security configuration with name '{}' does not exist."


def get_block_public_access(settings: SecuritySettings, _: Document, caller: str, __: datetime) -> Document:
    """Return the configuration. That the account's root user has made the default is a guess."""
    access = settings.public_access
    root = f"arn:aws:iam::{caller.split(':')[4]}:root"
    return {
        "BlockPublicAccessConfiguration": {
            "BlockPublicSecurityGroupRules": access.is_blocked,
            "PermittedPublicSecurityGroupRuleRanges": [
                {"MinRange": low, "MaxRange": high} for low, high in access.permitted
            ],
        },
        "BlockPublicAccessConfigurationMetadata": {
            "CreationDateTime": access.created or settings.account_created,
            "CreatedByArn": access.created_by or root,
        },
    }


def put_block_public_access(
    settings: SecuritySettings, request: Document, caller: str, now: datetime
) -> Document:
    """Replace the configuration; clusters that are there stay. The words of refusals are a guess."""
    asked = request["BlockPublicAccessConfiguration"]
    ranges = []
    for one in asked.get("PermittedPublicSecurityGroupRuleRanges", []):
        low, high = (
            one["MinRange"],
            one.get("MaxRange", one["MinRange"]),
        )  # one port without a last one (model)
        if low > high:
            raise invalid_request(f"The port range {low}-{high} is not valid: MinRange is above MaxRange.")
        ranges.append((low, high))
    settings.public_access = PublicAccess(
        asked["BlockPublicSecurityGroupRules"], tuple(ranges), created=now, created_by=caller
    )
    return {}


def create_security_configuration(
    settings: SecuritySettings, request: Document, _: str, now: datetime
) -> Document:
    """Keep a security configuration under a name that is not taken."""
    name, text = request["Name"], request["SecurityConfiguration"]
    if not name:
        raise invalid_request("The name of a security configuration must not be empty.")
    made = SecurityConfiguration(name, text, parsed(text), now)
    with settings.lock:
        if name in settings.configurations:
            raise invalid_request(f"Security configuration with name '{name[:100]}' already exists.")
        settings.configurations[name] = made
    return {"Name": name, "CreationDateTime": now}


def describe_security_configuration(
    settings: SecuritySettings, request: Document, _: str, __: datetime
) -> Document:
    """Return a security configuration, its JSON as it was given."""
    found = settings.configurations.get(request["Name"])
    if found is None:
        raise _unknown(request["Name"])
    return {"Name": found.name, "SecurityConfiguration": found.text, "CreationDateTime": found.created}


def list_security_configurations(
    settings: SecuritySettings, request: Document, _: str, __: datetime
) -> Document:
    """Return names and times, 50 a page; in which order is a guess: the oldest first."""
    with settings.lock:
        found = list(settings.configurations.values())
    shown, marker = page(found, request.get("Marker"), lambda one: one.name)
    documents = [{"Name": one.name, "CreationDateTime": one.created} for one in shown]
    return present({"SecurityConfigurations": documents, "Marker": marker})


def delete_security_configuration(
    settings: SecuritySettings, request: Document, _: str, __: datetime
) -> Document:
    """Forget a security configuration; clusters that were launched with it keep what it said."""
    with settings.lock:
        if settings.configurations.pop(request["Name"], None) is None:
            raise _unknown(request["Name"])
    return {}


def configuration_for_launch(
    settings: SecuritySettings, name: str, *, is_hollow: bool
) -> SecurityConfiguration:
    """Return the security configuration of a launch. Raises ValidationException.

    That one which does not exist is refused so was seen (docs/aws_facts.md 2.12).
    """
    found = settings.configurations.get(name)
    if found is None:
        raise validation_error(UNKNOWN.format(name[:100]))
    missing = [] if is_hollow else not_on_nodes(found.document)
    if missing:
        raise validation_error(
            f"SecurityConfiguration {name[:100]} is not available in this region: nodes of emrbox have no "
            f"{', '.join(missing)}; clusters without nodes (tag emrbox:hollow) take it."
        )
    return found


def _unknown(name: str) -> AwsError:
    return invalid_request(UNKNOWN.format(name[:100]), ErrorCode="ResourceNotFound")
