"""What an image says about itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testinfra.host import Host


def contents(host: Host) -> dict[str, Any]:
    """Return what is written in the image, as every user reads it."""
    with host.sudo("nobody"):
        return dict(json.loads(host.check_output("cat /opt/kiln/image.json")))
