"""What runs in a box."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from emrbox.box import state
from emrbox.client import Client

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
