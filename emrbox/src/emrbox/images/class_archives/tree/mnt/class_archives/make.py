"""Runs in the tree of a node: start what a cluster runs, and make archives of the classes that its JVMs load.

make.json beside this file has the properties of a cluster's configuration files, the options of its daemons'
JVMs, and of each archive the class path.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

HERE, OUTPUT = Path(__file__).parent, Path("/opt/emr/class_archives")
LISTS = HERE / "lists"
JAVA_HOME, HADOOP, SPARK, CONF = (
    "/usr/lib/jvm/jre-17",
    "/opt/emr/hadoop",
    "/usr/lib/spark",
    "/etc/hadoop/conf",
)
SECONDS = 600
DAEMONS = (("hdfs", "namenode"), ("hdfs", "datanode"), ("yarn", "resourcemanager"), ("yarn", "nodemanager"))
SITES = ("core-site", "hdfs-site", "yarn-site", "mapred-site", "capacity-scheduler")
NAMENODE = "http://localhost:9870/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
RESOURCE_MANAGER = "http://localhost:8088/ws/v1/cluster/metrics"
# Nobody answers there: a client of S3 that finds out has loaded its classes.
NO_S3 = {"fs.s3a.endpoint": "http://localhost:9", "fs.s3a.attempts.maximum": "1", "fs.s3a.retry.limit": "1"}
LOG4J = """\
log4j.rootLogger=WARN,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%p %c: %m%n
"""
LINKS = {"/usr/lib/hadoop": HADOOP, SPARK: "/opt/emr/spark", "/opt/emr/spark/conf": "/etc/spark/conf"}
ENVIRONMENT = {
    **os.environ,
    "JAVA_HOME": JAVA_HOME,
    "HADOOP_CONF_DIR": CONF,
    "YARN_CONF_DIR": CONF,
    "SPARK_HOME": SPARK,
}


def list_classes(archive: str, name: str) -> str:
    """Return the JVM's option that makes it list the classes that it loads."""
    return f"-XX:DumpLoadedClassList={LISTS}/{archive}/{name}"


def write(path: str, text: str) -> None:
    """Write a file, with its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def write_configuration(sites: "dict[str, dict[str, str]]") -> None:
    """Write the configuration files of a cluster of this one machine."""
    sites["core-site"].update(NO_S3)
    for name in SITES:
        rows = "".join(
            f"<property><name>{escape(key)}</name><value>{escape(value)}</value></property>\n"
            for key, value in sites[name].items()
        )
        write(f"{CONF}/{name}.xml", f"<configuration>\n{rows}</configuration>\n")
    write(f"{CONF}/hosts.exclude", "")
    write(f"{CONF}/log4j.properties", LOG4J)
    defaults = "".join(f"{key} {value}\n" for key, value in sites["spark-defaults"].items())
    write("/etc/spark/conf/spark-defaults.conf", defaults)


def number(url: str, *keys: "str | int") -> int:
    """Return a number from a page of a daemon; 0 while it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # one of the two above
            found = json.load(answer)
        for key in keys:
            found = found[key]
        return int(found)
    except (OSError, ValueError, LookupError):
        return 0


def is_ready() -> bool:
    """Return whether HDFS and YARN have their node."""
    stores = number(NAMENODE, "beans", 0, "NumLiveDataNodes")
    return bool(stores and number(RESOURCE_MANAGER, "clusterMetrics", "activeNodes"))


def start(program: str, command: str, options: str) -> "subprocess.Popen[bytes]":
    """Start a program of Hadoop's; what it says goes to stderr, which the caller keeps."""
    environment = {**ENVIRONMENT, "HADOOP_OPTS": options}
    return subprocess.Popen([f"{HADOOP}/bin/{program}", *command.split()], env=environment, stdout=sys.stderr)


def run(*argv: str, may_fail: bool = False, **more: str) -> None:
    """Run a program to its end. `more` adds to the environment."""
    environment = {**ENVIRONMENT, **more}
    done = subprocess.run(argv, check=False, env=environment, stdout=sys.stderr, timeout=SECONDS)
    if done.returncode and not may_fail:
        sys.exit(f"{argv[0]}: exit code {done.returncode}")


def run_cluster(jvm: str) -> None:
    """Run HDFS, YARN, their clients and one Spark job; each of their JVMs lists its classes."""
    start("hdfs", "namenode -format", jvm).wait(SECONDS)
    daemons = [start(program, name, f"{jvm} {list_classes('hadoop', name)}") for program, name in DAEMONS]
    try:
        deadline = time.monotonic() + SECONDS
        while not is_ready():
            if time.monotonic() > deadline or any(one.poll() is not None for one in daemons):
                sys.exit("HDFS and YARN did not start")
            time.sleep(0.2)
        hadoop = f"{HADOOP}/bin/hadoop"
        run(
            hadoop,
            "fs",
            "-mkdir",
            "-p",
            "/var/log/spark/apps",
            HADOOP_CLIENT_OPTS=list_classes("hadoop", "fs"),
        )
        in_s3 = list_classes("hadoop", "fs_s3")
        run(hadoop, "fs", "-ls", "s3a://none/none", may_fail=True, HADOOP_CLIENT_OPTS=in_s3)
        run_job()
    finally:
        for one in daemons:
            one.terminate()
        for one in daemons:
            one.wait(SECONDS)


def run_job() -> None:
    """Run the Spark job as a step does, in YARN's containers."""
    options = [
        word
        for role in ("driver", "executor")
        for word in ("--conf", f"spark.{role}.extraJavaOptions={list_classes('spark', role)}")
    ]
    run(
        *(f"{SPARK}/bin/spark-submit", "--deploy-mode", "cluster", *options, str(HERE / "job.py")),
        SPARK_SUBMIT_OPTS=list_classes("spark", "submit"),
        SPARK_LAUNCHER_OPTS=list_classes("spark", "launcher"),
    )


def make_archive(name: str, class_path: str) -> None:
    """Make one archive of all lists. JVMs can use it whose class path begins with this one."""
    files = sorted((LISTS / name).iterdir())
    lines = dict.fromkeys(line for file in files for line in file.read_text().splitlines())
    merged = LISTS / f"{name}.txt"
    merged.write_text("\n".join(lines) + "\n")
    run(
        *(f"{JAVA_HOME}/bin/java", "-Xshare:dump", "-Xmx1g", "-Xlog:cds=error,cds+heap=error"),
        *(f"-XX:SharedClassListFile={merged}", f"-XX:SharedArchiveFile={OUTPUT}/{name}.jsa"),
        *("-cp", class_path),
    )


def main() -> None:
    """Make the archives."""
    asked = json.loads((HERE / "make.json").read_text())
    for name in asked["class_paths"]:
        (LISTS / name).mkdir(parents=True)
    OUTPUT.mkdir(parents=True)
    for link, target in LINKS.items():
        Path(link).symlink_to(target)
    write_configuration(asked["sites"])
    run_cluster(asked["jvm"])
    # Each is made by one thread for the most part.
    with ThreadPoolExecutor() as threads:
        list(threads.map(make_archive, *zip(*asked["class_paths"].items(), strict=True)))


main()
