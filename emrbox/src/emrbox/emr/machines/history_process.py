"""Spark's history server as a process on a node."""

from __future__ import annotations

import http.client
import subprocess
import time
from typing import TYPE_CHECKING

from emrbox.emr.default_configurations import HISTORY_SERVER_PORT, SPARK_JVM
from emrbox.emr.machines.node_access import NODE_ENVIRONMENT

if TYPE_CHECKING:
    from emrbox.emr.machines.node_access import MachineNode

ARGV = ("/opt/emr/spark/bin/spark-class", "org.apache.spark.deploy.history.HistoryServer")
LOG_FILE = "/var/log/spark/spark-history-server.out"
LOOK_SECONDS = 0.1
ASK_SECONDS = 5.0


def start(node: MachineNode, user: str) -> subprocess.Popen[bytes]:
    """Start the history server as `user`; it reads spark-defaults.conf."""
    environment = {
        **NODE_ENVIRONMENT,
        "SPARK_HOME": "/opt/emr/spark",
        "SPARK_DAEMON_MEMORY": "384m",
        "SPARK_DAEMON_JAVA_OPTS": SPARK_JVM,
        "SPARK_LAUNCHER_OPTS": SPARK_JVM,
    }
    with node.files.create(LOG_FILE) as output:
        return node.popen(ARGV, user=user, env=environment, stdout=output, stderr=subprocess.STDOUT)


def answers(address: str) -> bool:
    """Whether a history server answers on a node."""
    connection = http.client.HTTPConnection(address, HISTORY_SERVER_PORT, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/api/v1/version")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_answers(process: subprocess.Popen[bytes], address: str, seconds: float) -> bool:
    """Return whether a history server that was started answers in time; at once when it has ended."""
    deadline = time.monotonic() + seconds
    while not (answered := answers(address)):
        if process.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    return answered
