"""How a module reaches the nodes of a cluster that stays, to kill the YARN applications of steps there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.diagnosis import applications, node_access
from kiln.emr import cancelling

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context
    from kiln.diagnosis.ssh import Ssh
    from kiln.emr.cancelling import Kill


def killer(options: Options) -> Kill:
    """Return what kills the applications of steps, by the module's option `ssh`; nothing without it."""
    given = options["ssh"]
    if not given:
        return cancelling.nothing
    access = node_access.NodeAccess(given["user"], given["private_key_file"], given["proxy_command"])

    def reach(context: Context, cluster_id: str) -> Ssh:
        return node_access.ssh_of(context, access, cluster_id, context.report)

    return applications.killer(reach)
