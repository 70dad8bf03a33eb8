"""What a call to the Glue Data Catalog needs: its action on the catalog, the database and the table.

Service Authorization Reference, "Actions, resources, and condition keys for AWS Glue"; AWS Glue Developer
Guide, "Specifying AWS Glue resource ARNs": a call on a table needs permission on its ancestors, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.auth import PARTITION

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERY = "*"


def resources(region: str, account_id: str, body: Mapping[str, Any]) -> list[str]:
    """Return the ARNs that a call is about, the catalog first. `body` is the request; it may be malformed."""
    base = f"arn:{PARTITION}:glue:{region}:{account_id}"
    found = [f"{base}:catalog"]
    database = _named(body, "DatabaseName", "DatabaseInput")
    table = _named(body, "TableName", "TableInput")
    # GetDatabase, GetTable and their like call what they are about `Name`.
    name = body.get("Name")
    if database and not table and isinstance(name, str):
        table = name
    database = database or (name if isinstance(name, str) else "")
    if database:
        found.append(f"{base}:database/{database}")
    if table:
        found.append(f"{base}:table/{database or _EVERY}/{table}")
    return found


def _named(body: Mapping[str, Any], member: str, input_member: str) -> str:
    """Return a name that a request has by itself or within its input; empty when it has none."""
    inner = body.get(input_member)
    value = body.get(member) or (inner.get("Name") if isinstance(inner, dict) else None)
    return value if isinstance(value, str) else ""
