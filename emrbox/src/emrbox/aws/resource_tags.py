"""The tags of an EC2 resource, found by its id.

For each resource moto goes through the tags of all: a page of DescribeInstances with a filter by tag took a
minute among 10,000 instances.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix


def find_by_id() -> None:
    """Make moto's EC2 find them so from now on."""

    def get_tags(resource: Any) -> list[dict[str, str]]:
        if not resource.id:
            return []
        kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "")
        tags = dict(resource.ec2_backend.tags.get(resource.id, {}))
        return [
            {"resource_id": resource.id, "resource_type": kind, "key": key, "value": value}
            for key, value in tags.items()
        ]

    TaggedEC2Resource.get_tags = get_tags
