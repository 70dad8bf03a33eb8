"""Files of secrets on nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testinfra.host import Host


def read(host: Host, path: str, user: str) -> dict[str, Any]:
    """Return the secrets in a file, as the user who runs steps reads them."""
    with host.sudo(user):
        return dict(json.loads(host.check_output(f"cat {path}")))


def holding(host: Host, text: str) -> list[str]:
    """Return every file of the node that holds a text, and every process that has it in its arguments."""
    # In two parts: this command has the text in its own arguments otherwise.
    pattern = f"{text[:3]}[{text[3]}]{text[4:]}"
    folders = "/boot /etc /home /mnt /opt /root /srv /tmp /usr /var /run"
    found = host.run(f"grep -rlI --devices=skip -e '{pattern}' {folders} /proc/[0-9]*/cmdline 2>/dev/null")
    return str(found.stdout).split()
