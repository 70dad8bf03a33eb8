"""Application UIs on primary nodes: YARN's is always there, Spark's is started when it is asked for."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from emrbox.emr.default_configurations import RESOURCE_MANAGER_HTTP_PORT
from emrbox.emr.machines import history_process
from emrbox.emr.machines.daemon_http import json_or_none

if TYPE_CHECKING:
    import subprocess

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.node_access import Machines

USER = "hadoop"  # whose event logs they are
START_SECONDS = 30.0  # clients wait a minute for an answer


class RealClusterPages:
    """Asks YARN, and starts history servers.

    On EMR a history server runs from the beginning. Here it would take memory that most clusters need for
    their steps, so it starts when it is asked for the first time.
    """

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # by EC2 id
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def has_application(self, cluster: Cluster, application_id: str) -> bool:
        """Ask the ResourceManager."""
        address = f"http://{cluster.primary.private_ip}:{RESOURCE_MANAGER_HTTP_PORT}"
        found = json_or_none(f"{address}/ws/v1/cluster/apps/{application_id}")
        return isinstance(found, dict) and "app" in found

    def open_history(self, cluster: Cluster) -> bool:
        """Start it unless it runs."""
        primary = cluster.primary
        with self._locks[primary.ec2_id]:
            process = self._processes.get(primary.ec2_id)
            if process is None or process.poll() is not None:
                process = history_process.start(self._machines.get(primary.ec2_id), USER)
                self._processes[primary.ec2_id] = process
            return history_process.wait_answers(process, primary.private_ip, START_SECONDS)
