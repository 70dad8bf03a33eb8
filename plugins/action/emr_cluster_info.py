"""Find clusters with their nodes, in Ansible's own process. The module of the same name documents it."""

from __future__ import annotations

from kiln.ansible_modules import cluster_info, options
from kiln.ansible_modules.in_process import InProcess


class ActionModule(InProcess):
    """Arguments: those that the module documents."""

    spec = options.CLUSTER_INFO
    work = staticmethod(cluster_info.work)
    required_one_of = (("cluster_id", "pipeline"),)
    required_together = (("pipeline", "environment"),)
