"""The default settings of a cluster.

Names of folders and ports follow EMR (docs/aws_facts.md 3.3, 6.3, 10); sizes follow a small machine
that runs the whole cluster: many small containers instead of few big ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.config import AWS_HOST_NAME, REGION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Properties = dict[str, str]

NODE_MEMORY_MB = 3072
NODE_VCORES = 4
JAVA_HOME = "/usr/lib/jvm/jre-17"
# Small heaps, no parallel collectors, only the quick compiler (a short Spark job takes 10 s of CPU, not 17),
# no full collection each time the classes grow: JVMs start fast and stay small. Archives of classes lie at
# the addresses that they were written for: elsewhere, which is Java's default, each JVM has to write its own
# addresses into some 100 MB, which they then cannot share (decision 12).
QUICK_JVM = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:CICompilerCount=1 -Xss512k -XX:MetaspaceSize=96m "
    "-XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0"
)
# Spark's classes come from an archive where the class path begins with the jars that it was made of
# (images/class_archives.py): half of the processor time of a short job's driver was their loading.
SPARK_JARS = "/usr/lib/spark/jars/*"
SPARK_JVM = f"{QUICK_JVM} -XX:SharedArchiveFile=/opt/emr/class_archives/spark.jsa"
# The daemons have few new objects: a small young generation is soon used again, a large one is filled first.
# Guice opens java.lang by reflection: the ResourceManager and NodeManager do not start without it on Java 17.
DAEMON_JVM = (
    f"{QUICK_JVM} -Xmx256m -Xmn24m -XX:MaxMetaspaceSize=160m --add-opens=java.base/java.lang=ALL-UNNAMED"
)
EXCLUDED_HOSTS = (
    "/etc/hadoop/conf/hosts.exclude"  # nodes that leave; read by the NameNode and the ResourceManager
)
NAMENODE_PORT = 8020
NAMENODE_HTTP_PORT = 9870
RESOURCE_MANAGER_HTTP_PORT = 8088
NODE_MANAGER_HTTP_PORT = 8042
HISTORY_SERVER_PORT = 18080
DATANODE_HTTP_PORT = 9864


def defaults(master: str, core_count: int) -> dict[str, Properties]:
    """Return the properties of every classification. `master` is the primary node's DNS name."""
    return {
        "core-site": _core_site(master),
        "hdfs-site": _hdfs_site(master, core_count),
        "yarn-site": _yarn_site(master),
        "mapred-site": _mapred_site(),
        "capacity-scheduler": _capacity_scheduler(),
        "spark-defaults": _spark_defaults(core_count),
        "hadoop-log4j": {},
        "spark-log4j2": {},
        "spark-metrics": {},
    }


def environments() -> dict[str, Mapping[str, str]]:
    """Return the variables that each `*-env` file exports by default."""
    return {
        "hadoop-env": {
            "JAVA_HOME": JAVA_HOME,
            "HADOOP_CONF_DIR": "/etc/hadoop/conf",
            "HADOOP_CLIENT_OPTS": QUICK_JVM,
        },
        "yarn-env": {},
        "mapred-env": {},
        "spark-env": {
            "JAVA_HOME": JAVA_HOME,
            "SPARK_HOME": "/usr/lib/spark",
            "HADOOP_CONF_DIR": "/etc/hadoop/conf",
            "YARN_CONF_DIR": "/etc/hadoop/conf",
            "SPARK_LOG_DIR": "/var/log/spark",
            "PYSPARK_PYTHON": "/usr/bin/python3",
            "SPARK_SUBMIT_OPTS": SPARK_JVM,
            "SPARK_LAUNCHER_OPTS": SPARK_JVM,
        },
    }


def replication(core_count: int, configurations: Iterable[Mapping[str, Any]] = ()) -> int:
    """Return dfs.replication: as configured, else EMR's rule of 1 below four core nodes, 2 below ten, else 3.

    https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-hdfs-config.html
    """
    factor = 1 if core_count < 4 else 2 if core_count < 10 else 3  # noqa: PLR2004  # as said above
    for configuration in configurations:
        if configuration.get("Classification") == "hdfs-site":
            configured = str(configuration.get("Properties", {}).get("dfs.replication", factor))
            factor = int(configured) if configured.isdecimal() else factor
    return factor


def _core_site(master: str) -> Properties:
    return {
        "fs.defaultFS": f"hdfs://{master}:{NAMENODE_PORT}",
        "hadoop.tmp.dir": "/mnt/tmp/hadoop-${user.name}",
        "hadoop.http.staticuser.user": "hadoop",
        "io.file.buffer.size": "65536",
        # Daemons start together: one that is early must look again soon.
        "ipc.client.connect.retry.interval": "200",
        "ipc.client.connect.max.retries": "50",
        # EMR's s3:// is EMRFS; the open counterpart is S3A.
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3n.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.endpoint": f"http://{AWS_HOST_NAME}",
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider",
        "fs.s3a.change.detection.mode": "none",
        "fs.s3a.fast.upload.buffer": "bytebuffer",
        "fs.s3a.buffer.dir": "/mnt/s3",
        "fs.s3a.attempts.maximum": "3",
        "fs.s3a.retry.limit": "3",
        "fs.s3a.threads.max": "8",
    }


def _hdfs_site(master: str, core_count: int) -> Properties:
    return {
        "dfs.replication": str(replication(core_count)),
        "dfs.hosts.exclude": EXCLUDED_HOSTS,
        "dfs.namenode.decommission.interval": "1",
        "dfs.namenode.name.dir": "file:///mnt/namenode",
        "dfs.datanode.data.dir": "file:///mnt/hdfs",
        "dfs.namenode.rpc-bind-host": "0.0.0.0",  # noqa: S104  # as on EMR; the node's network ends at the box
        "dfs.namenode.http-address": f"{master}:{NAMENODE_HTTP_PORT}",
        "dfs.permissions.superusergroup": "hdfsadmingroup",
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.redundancy.considerLoad": "false",
        "dfs.namenode.handler.count": "10",
        "dfs.datanode.handler.count": "4",
    }


def _yarn_site(master: str) -> Properties:
    return {
        "yarn.resourcemanager.hostname": master,
        "yarn.resourcemanager.nodes.exclude-path": EXCLUDED_HOSTS,
        "yarn.resourcemanager.decommissioning-nodes-watcher.poll-interval-secs": "1",
        "yarn.resourcemanager.connect.retry-interval.ms": "500",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "250",
        "yarn.nodemanager.resource.memory-mb": str(NODE_MEMORY_MB),
        "yarn.nodemanager.resource.cpu-vcores": str(NODE_VCORES),
        "yarn.scheduler.minimum-allocation-mb": "32",
        "yarn.scheduler.maximum-allocation-mb": str(NODE_MEMORY_MB),
        "yarn.nodemanager.local-dirs": "/mnt/yarn",
        "yarn.nodemanager.log-dirs": "/var/log/hadoop-yarn/containers",
        "yarn.log-aggregation-enable": "true",
        "yarn.nodemanager.remote-app-log-dir": "/var/log/hadoop-yarn/apps",
        # EMR's log pusher reads a container's files after the application is over.
        "yarn.nodemanager.delete.debug-delay-sec": "3600",
        "yarn.nodemanager.aux-services": "mapreduce_shuffle",
        "yarn.nodemanager.vmem-check-enabled": "false",
        # Real nodes have memory to spare; here a Python worker a little over its limit must not end it.
        "yarn.nodemanager.pmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99",
        "yarn.nodemanager.env-whitelist": "JAVA_HOME,HADOOP_CONF_DIR,HADOOP_HOME,PATH,LANG,TZ",
        "yarn.application.classpath": "/etc/hadoop/conf,/usr/lib/hadoop/lib/*,/usr/lib/hadoop/tools/*",
        "yarn.nodemanager.sleep-delay-before-sigkill.ms": "250",
        "yarn.resourcemanager.work-preserving-recovery.enabled": "false",
    }


def _mapred_site() -> Properties:
    return {
        "mapreduce.framework.name": "yarn",
        "mapreduce.application.classpath": "/etc/hadoop/conf,/usr/lib/hadoop/lib/*,/usr/lib/hadoop/tools/*",
        "mapreduce.map.memory.mb": "640",
        "mapreduce.reduce.memory.mb": "640",
        "yarn.app.mapreduce.am.resource.mb": "640",
        "yarn.app.mapreduce.am.command-opts": f"-Xmx384m {QUICK_JVM}",
        "mapreduce.map.java.opts": f"-Xmx384m {QUICK_JVM}",
        "mapreduce.reduce.java.opts": f"-Xmx384m {QUICK_JVM}",
        "mapreduce.task.io.sort.mb": "64",
        "mapreduce.job.ubertask.enable": "false",
        "mapreduce.fileoutputcommitter.algorithm.version": "2",
    }


def _capacity_scheduler() -> Properties:
    return {
        "yarn.scheduler.capacity.root.queues": "default",
        "yarn.scheduler.capacity.root.default.capacity": "100",
        "yarn.scheduler.capacity.root.default.maximum-capacity": "100",
        "yarn.scheduler.capacity.root.default.state": "RUNNING",
        "yarn.scheduler.capacity.root.acl_submit_applications": "*",
        "yarn.scheduler.capacity.root.default.acl_submit_applications": "*",
        # Small nodes: the default, a tenth, is too small for one Spark driver.
        "yarn.scheduler.capacity.maximum-am-resource-percent": "0.9",
        "yarn.scheduler.capacity.node-locality-delay": "-1",
        "yarn.scheduler.capacity.resource-calculator": (
            "org.apache.hadoop.yarn.util.resource.DefaultResourceCalculator"
        ),
    }


def _spark_defaults(core_count: int) -> Properties:
    return {
        "spark.master": "yarn",
        "spark.yarn.jars": f"local:{SPARK_JARS}",
        "spark.driver.extraClassPath": SPARK_JARS,
        "spark.executor.extraClassPath": SPARK_JARS,
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": "hdfs:///var/log/spark/apps",
        "spark.history.fs.logDirectory": "hdfs:///var/log/spark/apps",
        "spark.driver.memory": "768m",
        "spark.driver.memoryOverhead": "256m",
        "spark.executor.memory": "768m",
        "spark.executor.memoryOverhead": "256m",
        "spark.executor.cores": "1",
        "spark.executor.instances": str(max(1, core_count)),
        "spark.dynamicAllocation.enabled": "false",
        "spark.driver.defaultJavaOptions": SPARK_JVM,
        "spark.executor.defaultJavaOptions": SPARK_JVM,
        "spark.yarn.am.defaultJavaOptions": SPARK_JVM,
        # A rename on S3 is a copy: commit each task's files once, not a second time by the job.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.hadoop.mapreduce.fileoutputcommitter.cleanup-failures.ignored": "true",
        "spark.yarn.report.interval": "1s",
        "spark.scheduler.minRegisteredResourcesRatio": "0.8",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "10s",
    }
