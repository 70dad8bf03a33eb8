"""Pages of the AWS console."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

_CONSOLE = "https://console.aws.amazon.com/s3"
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)")


def page(address: Any) -> str:
    """Return the page of an object, or of all below a prefix; nothing for what is no S3 address."""
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None:
        return ""
    kind = "buckets" if found[2].endswith("/") else "object"
    return f"{_CONSOLE}/{kind}/{found[1]}?prefix={quote(found[2], safe='/', errors='replace')}"
