"""HDFS and YARN on a cluster's nodes: started at the same time, ready when their own APIs report it."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emrbox.emr.default_configurations import (
    DAEMON_JVM,
    EXCLUDED_HOSTS,
    NAMENODE_HTTP_PORT,
    NODE_MANAGER_HTTP_PORT,
    QUICK_JVM,
    RESOURCE_MANAGER_HTTP_PORT,
)
from emrbox.emr.life.layer import Checkpoint, StartFailureError
from emrbox.emr.life.load import Load
from emrbox.emr.life.model import Ending, Reason
from emrbox.emr.life.states import ReasonCode
from emrbox.emr.machines.daemon_http import json_or_none, open_url
from emrbox.emr.machines.log_layout import LOG_ROOT
from emrbox.emr.machines.node_access import NODE_ENVIRONMENT, Member
from emrbox.emr.machines.processes import kill_tree
from emrbox.emr.machines.webhdfs import WebHdfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

LOG = logging.getLogger(__name__)
READY_TIMEOUT_SECONDS = 300.0
LOOK_SECONDS = 0.1
STOP_SECONDS = 20.0
PLAIN_MODE = "755"
HDFS_GROUP = "hdfsadmingroup"
CONTAINERS_OVER_SECONDS = 30.0
# The NodeManager's states of an application whose containers may still write.
CONTAINERS_LIVE = frozenset({"NEW", "INITING", "RUNNING", "FINISHING_CONTAINERS_WAIT"})


@dataclass(frozen=True)
class Daemon:
    """One daemon of Hadoop's: command line, user, and the folder below /mnt/var/log for its output."""

    name: str
    argv: tuple[str, ...]
    user: str
    log_folder: str


Started = tuple["Member", Daemon, "subprocess.Popen[bytes]"]
NAMENODE = Daemon(
    "namenode",
    ("sh", "-c", "hdfs namenode -format -nonInteractive && exec hdfs namenode"),
    "hdfs",
    "hadoop-hdfs",
)
DATANODE = Daemon("datanode", ("hdfs", "datanode"), "hdfs", "hadoop-hdfs")
RESOURCE_MANAGER = Daemon("resourcemanager", ("yarn", "resourcemanager"), "yarn", "hadoop-yarn")
# Containers run as the NodeManager's user, and on EMR containers run as hadoop.
NODE_MANAGER = Daemon("nodemanager", ("yarn", "nodemanager"), "hadoop", "hadoop-yarn")

# Folders in HDFS that EMR makes: path, owner, mode.
HDFS_FOLDERS = (
    ("/tmp", "hdfs", "1777"),  # noqa: S108  # in HDFS
    ("/user", "hdfs", PLAIN_MODE),
    ("/user/hadoop", "hadoop", PLAIN_MODE),
    ("/user/root", "root", PLAIN_MODE),
    ("/user/spark", "spark", PLAIN_MODE),
    ("/var/log/spark/apps", "spark", "1777"),
    ("/var/log/hadoop-yarn/apps", "hadoop", "1777"),
)


def daemons_of(member: Member) -> list[Daemon]:
    """Return what runs on a node by its role."""
    found = [NAMENODE, RESOURCE_MANAGER] if member.is_master else []
    found += [DATANODE] if member.stores_data else []
    found += [NODE_MANAGER] if member.works else []
    return found


# The namespace is there when the NameNode starts again.
_AGAIN = {NAMENODE: replace(NAMENODE, argv=("hdfs", "namenode"))}
_HDFS, _YARN = (NAMENODE, DATANODE), (RESOURCE_MANAGER, NODE_MANAGER)
# Which daemons read a configuration file.
READERS = {
    "core-site.xml": (*_HDFS, *_YARN),
    "hadoop-env.sh": (*_HDFS, *_YARN),
    "log4j.properties": (*_HDFS, *_YARN),
    "hdfs-site.xml": _HDFS,
    "yarn-site.xml": _YARN,
    "yarn-env.sh": _YARN,
    "capacity-scheduler.xml": (RESOURCE_MANAGER,),
}


class Daemons:
    """The daemons of one cluster."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._processes: list[Started] = []
        self._master_member = next(member for member in members if member.is_master)
        self._master = self._master_member.instance.private_ip
        self._excluded: set[str] = set()
        self._hdfs = WebHdfs(self._master, self._address_of)

    def start(self) -> None:
        """Start every daemon; returns at once."""
        for member in self._members:
            for daemon in daemons_of(member):
                self._processes.append((member, daemon, _start(member, daemon)))

    def wait_ready(self, check: Checkpoint) -> None:
        """Return when all nodes have joined HDFS and YARN. Raises StartFailureError when a daemon ends."""
        nodes = sum(daemon is NODE_MANAGER for _, daemon, _ in self._processes)
        stores = sum(daemon is DATANODE for _, daemon, _ in self._processes)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        folders_made = False
        while True:
            check()
            _check_alive(self._processes)
            if not folders_made and self._writable():
                folders_made = self._make_folders()
            if folders_made and self.live_datanodes() >= stores and self.active_nodes() >= nodes:
                return
            if time.monotonic() > deadline:
                raise _failure(self._members[0], "the daemons were not ready in time")
            time.sleep(LOOK_SECONDS)

    def add(self, members: Sequence[Member], check: Checkpoint) -> None:
        """Start the daemons of nodes that were added later; return when YARN and HDFS have them."""
        names = {member.instance.private_dns for member in members}
        self._include(names)
        started = [(m, daemon, _start(m, daemon)) for m in members for daemon in daemons_of(m)]
        self._processes += started
        self._wait_joined(members, started, check)
        self._members = [*self._members, *members]

    def _wait_joined(self, members: Sequence[Member], started: Sequence[Started], check: Checkpoint) -> None:
        """Return when YARN and HDFS have all of these nodes, and HDFS can be written to."""
        names = {m.instance.private_dns for m in members if m.works}
        stores = {m.instance.private_dns for m in members if m.stores_data}
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not (
            names <= self._node_names("RUNNING") and stores <= set(self._datanodes()) and self._writable()
        ):
            check()
            _check_alive(started)
            if time.monotonic() > deadline:
                raise _failure(members[0], "the daemons were not ready in time")
            time.sleep(LOOK_SECONDS)

    def restart(
        self,
        member: Member,
        changed: Iterable[str],
        present: Sequence[Member],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Restart the daemons of a node that read one of these files; return when all of `present` work.

        `note` gets a line for each daemon.
        """
        wanted = {daemon for name in changed for daemon in READERS.get(name, ())}
        old = [one for one in self._processes if one[0].node is member.node and one[1] in wanted]
        if not old:
            return
        started: list[Started] = []
        for _, daemon, process in old:
            _stop(process)
            started.append((member, daemon, _start(member, _AGAIN.get(daemon, daemon))))
            note(f"Restarted {daemon.name}")
        self._processes = [one for one in self._processes if one not in old] + started
        self._wait_joined(present, started, lambda: None)

    def decommission(self, seconds: Mapping[str, int], check: Checkpoint) -> None:
        """Decommission nodes in YARN and HDFS: by their names, how long each is waited for at most.

        Returns when all are decommissioned or late.
        """
        self._excluded |= set(seconds)
        self._refresh(max(seconds.values(), default=0))
        start = time.monotonic()
        while awaited := {name for name, most in seconds.items() if time.monotonic() < start + most}:
            check()
            in_yarn = self._node_names("RUNNING", "DECOMMISSIONING", "UNHEALTHY") & awaited
            stores = self._datanodes()
            in_hdfs = [n for n in awaited if stores.get(n, "Decommissioned") != "Decommissioned"]
            if not in_yarn and not in_hdfs:
                return
            time.sleep(LOOK_SECONDS)

    def kill_application(self, application_id: str) -> None:
        """Kill a YARN application; one that is over stays as it is."""
        url = f"http://{self._master}:{RESOURCE_MANAGER_HTTP_PORT}/ws/v1/cluster/apps/{application_id}/state"
        try:
            open_url(url, "PUT", {"state": "KILLED"}).close()
        except OSError as problem:
            LOG.warning("%s could not be killed: %s", application_id, problem)

    def failed_jobs(self, application_ids: Iterable[str]) -> list[str]:
        """Return those of some applications that are MapReduce jobs and have not succeeded."""
        address = f"http://{self._master}:{RESOURCE_MANAGER_HTTP_PORT}/ws/v1/cluster/apps"
        answers = {name: json_or_none(f"{address}/{name}") for name in application_ids}
        return [name for name, answer in answers.items() if answer and _is_failed_job(answer["app"])]

    def containers(self) -> dict[str, int]:
        """How many containers run on each node that YARN knows, by its DNS name."""
        return {str(n["nodeHostName"]): int(n["numContainers"]) for n in self._nodes()}

    def _include(self, names: set[str]) -> None:
        """Take names of nodes that have left off the list: a new node may have an old one's address."""
        if names & self._excluded:
            self._excluded -= names
            self._refresh(0)

    def _refresh(self, seconds: int) -> None:
        """Pass the list of nodes to be decommissioned to the NameNode and the ResourceManager."""
        text = "".join(f"{name}\n" for name in sorted(self._excluded))
        self._master_member.node.files.write(EXCLUDED_HOSTS, text.encode())
        refreshes = (
            ("hdfs", ("hdfs", "dfsadmin", "-refreshNodes")),
            ("yarn", ("yarn", "rmadmin", "-refreshNodes", "-g", str(max(1, seconds)), "-server")),
        )

        def refresh(user_and_argv: tuple[str, tuple[str, ...]]) -> None:
            user, argv = user_and_argv
            environment = {**NODE_ENVIRONMENT, "HADOOP_CLIENT_OPTS": QUICK_JVM}
            done = self._master_member.node.run(argv, user=user, env=environment)
            if done.returncode != 0:
                LOG.error("%s: %s", " ".join(argv), done.stderr.decode(errors="replace")[-1000:])

        with ThreadPoolExecutor(max_workers=len(refreshes)) as pool:
            list(pool.map(refresh, refreshes))

    def _address_of(self, name: str) -> str:
        """Return a node's address by its DNS name. KeyError for what is none of the cluster's now."""
        present = [m.instance for m in self._members if not m.instance.status.ended]
        return {one.private_dns: one.private_ip for one in present}[name]

    def _nodes(self) -> list[dict[str, Any]]:
        answer = json_or_none(f"http://{self._master}:{RESOURCE_MANAGER_HTTP_PORT}/ws/v1/cluster/nodes")
        nodes = answer["nodes"] if answer else None
        return list(nodes["node"]) if nodes else []

    def _node_names(self, *wanted: str) -> set[str]:
        return {str(n["nodeHostName"]) for n in self._nodes() if n["state"] in wanted}

    def unhealthy(self) -> set[str]:
        """Return the DNS names of the nodes that YARN calls unhealthy."""
        return self._node_names("UNHEALTHY")

    def _datanodes(self) -> dict[str, str]:
        """DNS name -> the NameNode's admin state of a live DataNode."""
        live = json.loads(self._namenode("NameNodeInfo").get("LiveNodes", "{}"))
        return {name.partition(":")[0]: str(node["adminState"]) for name, node in live.items()}

    def active_nodes(self) -> int:
        """How many NodeManagers the ResourceManager counts; 0 while it does not answer."""
        return int((self.metrics() or {}).get("activeNodes", 0))

    def metrics(self) -> dict[str, Any] | None:
        """Return YARN's cluster metrics."""
        url = f"http://{self._master}:{RESOURCE_MANAGER_HTTP_PORT}/ws/v1/cluster/metrics"
        answer = json_or_none(url)
        return answer["clusterMetrics"] if answer else None

    def load(self, ec2_ids: Mapping[str, str]) -> Load | None:
        """Return what YARN has to do; None while it does not answer. `ec2_ids` are by DNS name."""
        metrics = self.metrics()
        if metrics is None:
            return None
        nodes = [n for n in self._nodes() if n["state"] == "RUNNING" and n["nodeHostName"] in ec2_ids]
        return Load(
            apps_running=metrics["appsRunning"],
            apps_pending=metrics["appsPending"],
            containers_allocated=metrics["containersAllocated"],
            containers_pending=metrics["containersPending"],
            total_mb=metrics["totalMB"],
            allocated_mb=metrics["allocatedMB"],
            pending_mb=metrics["pendingMB"],
            nodes=frozenset(ec2_ids[n["nodeHostName"]] for n in nodes),
            idle=frozenset(ec2_ids[n["nodeHostName"]] for n in nodes if not n["numContainers"]),
            hdfs_used_percent=self.hdfs_used_percent(),
        )

    def live_datanodes(self) -> int:
        """How many DataNodes the NameNode counts; 0 while it does not answer."""
        return int(self._namenode("FSNamesystemState").get("NumLiveDataNodes", 0))

    def hdfs_used_percent(self) -> float:
        """How full HDFS is."""
        return float(self._namenode("NameNodeInfo").get("PercentUsed", 0.0))

    def wait_containers_over(self, application_id: str) -> None:
        """Return when no node runs a container of an application that has ended; its logs are whole then."""
        deadline = time.monotonic() + CONTAINERS_OVER_SECONDS
        for member in self._members:
            url = f"http://{member.instance.private_ip}:{NODE_MANAGER_HTTP_PORT}"
            while member.works and time.monotonic() < deadline:
                answer = json_or_none(f"{url}/ws/v1/node/apps/{application_id}")
                if answer is None or answer["app"]["state"] not in CONTAINERS_LIVE:
                    break
                time.sleep(LOOK_SECONDS)

    @property
    def hdfs(self) -> WebHdfs:
        """HDFS's files."""
        return self._hdfs

    def _writable(self) -> bool:
        return self._namenode("NameNodeInfo").get("Safemode") == ""

    def _namenode(self, bean: str) -> dict[str, Any]:
        address = f"http://{self._master}:{NAMENODE_HTTP_PORT}"
        answer = json_or_none(f"{address}/jmx?qry=Hadoop:service=NameNode,name={bean}")
        beans = answer["beans"] if answer else []
        return dict(beans[0]) if beans else {}

    def _make_folders(self) -> bool:
        """Make HDFS's folders by WebHDFS: the command line would start a JVM for each. False: ask again."""
        try:
            for path, owner, mode in HDFS_FOLDERS:
                self._hdfs.make_folder(path, owner, HDFS_GROUP, mode)
        except OSError:
            return False
        return True


def _check_alive(processes: Iterable[Started]) -> None:
    for member, daemon, process in processes:
        if process.poll() is not None:
            raise _failure(member, f"{daemon.name} ended with exit code {process.returncode}")


def _is_failed_job(application: dict[str, Any]) -> bool:
    """Whether an application is a Hadoop job that makes a step fail: botocore's model, AddJobFlowSteps."""
    return application["applicationType"] == "MAPREDUCE" and application["finalStatus"] in {
        "FAILED",
        "KILLED",
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a daemon, by SIGKILL if it does not end by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        kill_tree(process)
        process.wait()


def _failure(member: Member, what: str) -> StartFailureError:
    """Return a failure in EMR's words; `what` goes into the error's details."""
    which = "the master instance" if member.is_master else "slave instance"
    message = f"On {which} ({member.instance.ec2_id}), application provisioning failed"
    # Guess: the code is made after those of failed bootstrap actions; the message is a seen one.
    code = "BOOTSTRAP_FAILURE_PRIMARY" if member.is_master else "BOOTSTRAP_FAILURE_WORKER"
    details = ({"ErrorCode": code, "ErrorData": [{"cause": what}], "ErrorMessage": message},)
    return StartFailureError(
        Ending(Reason(ReasonCode.BOOTSTRAP_FAILURE, message), with_errors=True, details=details)
    )


def _start(member: Member, daemon: Daemon) -> subprocess.Popen[bytes]:
    host = member.instance.private_dns.partition(".")[0]
    name = f"{daemon.log_folder}-{daemon.name}-{host}.log"
    log = f"{LOG_ROOT}/{daemon.log_folder}/{name}"
    environment = {
        **NODE_ENVIRONMENT,
        "HADOOP_OPTS": DAEMON_JVM,
        "HADOOP_LOG_DIR": f"/var/log/{daemon.log_folder}",
        "YARN_LOG_DIR": f"/var/log/{daemon.log_folder}",
        "HADOOP_CLIENT_OPTS": DAEMON_JVM,
    }
    with member.node.files.create(log) as output:
        return member.node.popen(
            daemon.argv, user=daemon.user, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
