"""What runs in a box, and how other AWS clients reach it."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from emrbox.box import state
from emrbox.client import Client
from emrbox.config import REGION

if TYPE_CHECKING:
    from pathlib import Path


def report(home: Path) -> dict[str, Any]:
    """Return the box, its instances and its clusters as one JSON document."""
    running = state.find_running(home)
    if running is None:
        return {"version": 1, "running": False, "home": str(home)}
    instances = []
    for file in sorted((home / "nodes").glob("*/node.json")):
        with suppress(OSError, ValueError):  # it comes or goes at this moment
            instances.append({"id": file.parent.name, **json.loads(file.read_text())})
    return {
        "version": 1,
        "running": True,
        "home": str(home),
        "pid": running.pid,
        "endpoint": running.endpoint,
        "network": running.network,
        "instances": instances,
        "clusters": Client(running.endpoint).get("status")["clusters"],
    }


def text(found: dict[str, Any]) -> str:
    """Return a report for people."""
    if not found["running"]:
        return f"not running ({found['home']}): emrbox up"
    instances, clusters = found["instances"], found["clusters"]
    lines = [
        f"running: {found['endpoint']}, nodes in {found['network']}, process {found['pid']}",
        f"to look at in a browser: {found['endpoint']}/_emrbox/",
        _count(len(instances), "instance"),
        *(f"  {one['id']}  {one['address']:15}  {one['host_name']}" for one in instances),
        _count(len(clusters), "live cluster"),
        *(f"  {one['id']}  {one['state']:13}  {one['name']}" for one in clusters),
    ]
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def environment(home: Path) -> dict[str, str]:
    """Return the variables that lead any AWS client to the box, quoted for a shell."""
    running = state.running(home)
    values = {
        "AWS_CONFIG_FILE": str(home / "aws" / "config"),
        # An empty file: keys of the user's own must never meet the box, nor the box's keys theirs.
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws" / "credentials"),
        "AWS_PROFILE": "emrbox",
        "AWS_ENDPOINT_URL": running.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {name: shlex.quote(value) for name, value in values.items()}
