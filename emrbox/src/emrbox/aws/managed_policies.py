"""AWS's managed policies in every account's IAM, as moto carries them."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend

PARTITION = "aws"


def install() -> None:
    """Load them into every IAM backend that this process makes; moto leaves them out by default."""
    IAMBackend._init_aws_policies = _policies  # noqa: SLF001  # moto has no seam but the environment


def _policies(backend: Any) -> list[Any]:
    if backend.partition != PARTITION:  # moto makes the other partitions too; emrbox uses none of them
        return []
    account = {"account_id": backend.account_id, "region": backend.region_name}
    return [AWSManagedPolicy(name, **account, **fields) for name, fields in _fields().items()]


@cache
def _fields() -> dict[str, dict[str, Any]]:
    """Return what an AWSManagedPolicy is made of, by name: read once, for all accounts."""
    return {
        name: {
            "default_version_id": data.get("DefaultVersionId"),
            "path": data.get("Path"),
            "document": json.dumps(data.get("Document")),
            "create_date": datetime.fromisoformat(data["CreateDate"]),
            "update_date": datetime.fromisoformat(data["UpdateDate"]),
        }
        for name, data in json.loads(aws_managed_policies_data).items()
    }
