"""Applications on a node: commands on the PATH, configuration files, folders, EMR's own info files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.config import AWS_HOST_NAME, REGION
from emrbox.emr.default_configurations import EXCLUDED_HOSTS
from emrbox.emr.machines.configurations import HADOOP_CONF, SPARK_CONF
from emrbox.emr.machines.configurations import files as configuration_files
from emrbox.emr.machines.on_node import s3_dist_cp

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.node_access import Member

HADOOP_COMMANDS = ("hadoop", "hdfs", "yarn", "mapred")
SPARK_COMMANDS = ("spark-submit", "spark-shell", "spark-sql", "pyspark", "spark-class")
STATE_FOLDERS = ("/mnt/namenode", "/mnt/hdfs", "/mnt/yarn")
INFO_FOLDER = "/mnt/var/lib/info"

SPARK_WRAPPER = """\
#!/bin/bash
export SPARK_HOME=/usr/lib/spark
export SPARK_CONF_DIR=${{SPARK_CONF_DIR:-/etc/spark/conf}}
exec /usr/lib/spark/bin/{command} "$@"
"""
HADOOP_WRAPPER = """\
#!/bin/bash
export HADOOP_CONF_DIR=${{HADOOP_CONF_DIR:-/etc/hadoop/conf}}
exec /usr/lib/hadoop/bin/{command} "$@"
"""
# command-runner.jar's own word for MapReduce streaming (docs/aws_facts.md 3.1).
STREAMING_WRAPPER = """\
#!/bin/bash
exec /usr/bin/hadoop jar /usr/lib/hadoop/tools/hadoop-streaming.jar "$@"
"""


def write_aws_config(member: Member) -> None:
    """Write the endpoint into the AWS CLI's and SDKs' configuration, which also works under sudo."""
    config = f"[default]\nregion = {REGION}\nendpoint_url = http://{AWS_HOST_NAME}\n".encode()
    for user, home in (("root", "/root"), ("hadoop", "/home/hadoop"), ("ec2-user", "/home/ec2-user")):
        if member.node.files.status(f"{home}/.aws/config") is None:
            member.node.files.make_folder(f"{home}/.aws", user, 0o700)
            member.node.files.write(f"{home}/.aws/config", config, owner=user, mode=0o600)


def write_info(cluster: Cluster, member: Member) -> None:
    """Write the files that describe the node and its cluster to scripts (docs/aws_facts.md 2.8)."""
    master = cluster.primary
    core = next((g for g in cluster.groups if g.role == "CORE"), None)
    instance = {
        "isMaster": member.is_master,
        "isRunningNameNode": member.is_master,
        "isRunningDataNode": member.stores_data,
        "isRunningResourceManager": member.is_master,
        "isRunningNodeManager": member.works,
        "instanceGroupId": member.group.id,
    }
    extra = {
        "jobFlowId": cluster.id,
        "instanceId": member.instance.ec2_id,
        "instanceGroupId": member.group.id,
        "instanceRole": member.group.role.lower(),
        "marketType": member.instance.market,
        "region": REGION,
    }
    job_flow = {
        "jobFlowId": cluster.id,
        "jobFlowCreationInstant": int(cluster.status.created.timestamp() * 1000),
        "instanceCount": sum(group.requested_count for group in cluster.groups),
        "masterInstanceId": master.ec2_id,
        "masterPrivateDnsName": master.private_dns,
        "masterInstanceType": master.type.name,
        "slaveInstanceType": core.type.name if core else None,
        "hadoopVersion": "3.4.1",
        "releaseLabel": cluster.release_label,
        "instanceGroups": [
            {
                "instanceGroupId": group.id,
                "instanceGroupName": group.name,
                "instanceRole": group.role.title(),
                "marketType": group.market,
                "instanceType": group.type.name,
                "requestedInstanceCount": group.requested_count,
            }
            for group in cluster.groups
        ],
    }
    for name, document in (("instance", instance), ("extraInstanceData", extra), ("job-flow", job_flow)):
        member.node.files.write(f"{INFO_FOLDER}/{name}.json", json.dumps(document, indent=2).encode())


def install_applications(cluster: Cluster, member: Member, note: Callable[[str], None]) -> None:
    """Make the release's software usable on one node. `note` gets a line for each thing that is done."""
    _link_software(member, note)
    write_configurations(cluster, member, note)
    if member.is_master:
        member.node.files.write(EXCLUDED_HOSTS, b"")
    _make_folders(member, note)


def write_configurations(cluster: Cluster, member: Member, note: Callable[[str], None]) -> set[str]:
    """Write a node's configuration files. Returns the names of those that were not there, or were others."""
    master = cluster.primary.private_dns
    cores = cluster.core_count_at_start
    cluster_wide = cluster.request.get("Configurations", [])
    wanted = configuration_files(master, cores, cluster_wide, member.instance.type.configurations)
    files, changed = member.node.files, set()
    for path, content in wanted.items():
        if files.status(path) is None or files.read(path) != content.encode():
            files.write(path, content.encode(), mode=0o644)
            changed.add(path.rpartition("/")[2])
            note(f"Wrote {path}")
    return changed


def _link_software(member: Member, note: Callable[[str], None]) -> None:
    files = member.node.files
    links = {
        "/usr/lib/hadoop": "/opt/emr/hadoop",
        "/usr/lib/spark": "/opt/emr/spark",
        "/opt/emr/spark/conf": SPARK_CONF,
        "/usr/lib/hadoop-mapreduce": "/opt/emr/hadoop/tools",
    }
    for link, target in links.items():
        files.link(link, target)
        note(f"Linked {link} to {target}")
    commands = {
        **{name: HADOOP_WRAPPER.format(command=name) for name in HADOOP_COMMANDS},
        **{name: SPARK_WRAPPER.format(command=name) for name in SPARK_COMMANDS},
        "hadoop-streaming": STREAMING_WRAPPER,
        "s3-dist-cp": Path(s3_dist_cp.__file__).read_text(),
    }
    for name, text in commands.items():
        files.write(f"/usr/bin/{name}", text.encode(), mode=0o755)
    note(f"Wrote the commands {', '.join(commands)} in /usr/bin")
    files.make_folder(HADOOP_CONF)
    files.make_folder(SPARK_CONF)


def _make_folders(member: Member, note: Callable[[str], None]) -> None:
    """Make folders for what runs here. Containers run as hadoop, so the NodeManager does too."""
    files = member.node.files
    for stale in STATE_FOLDERS:  # an image of an EMR node brings that node's
        files.clear(stale)
    wanted: list[tuple[str, str, int]] = [
        ("/mnt/var/log/hadoop/steps", "hadoop", 0o755),
        ("/mnt/var/lib/hadoop/steps", "hadoop", 0o755),
        ("/mnt/var/log/spark", "hadoop", 0o777),
    ]
    if member.is_master:
        wanted.append(("/mnt/namenode", "hdfs", 0o700))
    if member.stores_data:
        wanted.append(("/mnt/hdfs", "hdfs", 0o700))
    if member.works:
        wanted.append(("/mnt/yarn", "hadoop", 0o755))
        wanted.append(("/mnt/var/log/hadoop-yarn/containers", "hadoop", 0o755))
    for path, owner, mode in wanted:
        files.make_folder(path, owner, mode)
        note(f"Made {path} of {owner}, mode {mode:o}")
