"""EMR clusters on a box of the test's own: nodes, steps, logs, permissions, ends. Takes some minutes."""

from __future__ import annotations

import http.client
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from emr_account import BUCKET, NODES_ROLE, SSH, Account
from waiting import HANG_SECONDS, wait_until

from emrbox.emr.default_configurations import DATANODE_HTTP_PORT, NAMENODE_HTTP_PORT

pytestmark = pytest.mark.box

LOG_KEY = "arn:aws:kms:us-east-1:123456789012:key/of-the-logs"
SPARK_CONNECT = Path(__file__).parents[3] / ".venvs/spark_connect/bin/python"
CLIENT = """
import sys
from pyspark.sql import SparkSession

address, token = sys.argv[1:]
spark = SparkSession.builder.remote(address + token).getOrCreate()
print([spark.version, spark.conf.get("spark.app.name"), spark.range(1000).groupBy().sum("id").first()[0]])
spark.stop()
try:
    SparkSession.builder.remote(address + "guess").getOrCreate().range(1).count()
except Exception as problem:
    print("UNAUTHENTICATED" in str(problem))
"""
COUNT_JOB = """
import sys
from pyspark.sql import SparkSession, functions as F

spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv("s3://emr-test/in/", header=True, inferSchema=True)
rows.groupBy("key").agg(F.sum("value").alias("total")).write.parquet(sys.argv[1])
print("total", spark.read.parquet(sys.argv[1]).agg(F.sum("total")).first()[0])
spark.range(10).write.parquet("hdfs:///tmp/ten")

def jvm_has_archive(_=None):
    from pathlib import Path

    process = Path("/proc/self").resolve()
    while (process / "comm").read_text() != "java\\n":
        process = Path("/proc", (process / "stat").read_text().rpartition(")")[2].split()[1])
    return "/opt/emr/class_archives/spark.jsa" in (process / "maps").read_text()

print("archives", jvm_has_archive(), spark.sparkContext.parallelize([0], 1).map(jvm_has_archive).collect())
"""
# Of each JVM that has mapped the archive, whether most of that is shared with the others. Run by the JVM's
# user: root on a node may not read the maps of other users' processes.
SHARED_ARCHIVES = """
import re
from pathlib import Path

for process in Path("/proc").glob("[0-9]*/smaps"):
    try:
        maps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", process.read_text(), flags=re.MULTILINE)
    except OSError:
        continue
    archive = [one for one in maps if "/opt/emr/class_archives/hadoop.jsa" in one]
    total, own = (
        sum(int(size) for one in archive for size in re.findall(f"^{name}: +([0-9]+) kB", one, re.MULTILINE))
        for name in ("Rss", "Private_Dirty")
    )
    if archive:
        print("shared" if own < total / 2 else f"not shared: {own} of {total} kB")
"""
SMALL_JOB = """
from pyspark.sql import SparkSession

print("count", SparkSession.builder.appName("small").getOrCreate().range(10).count())
"""
FAILING_JOB = """
from pyspark.sql import SparkSession

SparkSession.builder.getOrCreate()
raise ValueError("the planted mistake")
"""


@dataclass
class Pages:
    """The pages of an application UI, as a client with a presigned URL reads them."""

    box: Any
    host: str = ""
    cookie: str = ""

    def get(self, path: str) -> tuple[int, dict[str, str], str]:
        port = int(self.box.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
        try:
            headers = {"Host": self.host, "Cookie": self.cookie}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")
        finally:
            connection.close()

    def enter(self, url: str) -> str:
        """Open a presigned URL and follow where it leads; return the page."""
        parts = urlsplit(url)
        self.host = parts.netloc
        status, headers, page = self.get(f"{parts.path}?{parts.query}")
        assert status == 302, page
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        while status == 302:
            status, headers, page = self.get(headers["Location"])
        assert status == 200, page
        return page


@pytest.fixture
def pages(box: Any) -> Pages:
    return Pages(box)


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


@pytest.fixture(scope="module")
def launched() -> list[str]:
    return []


@pytest.fixture
def cluster(account: Account, launched: list[str]) -> str:
    """A cluster of one master and two core nodes that is ready: the last one, if no test has ended it."""
    for cluster_id in launched[-1:]:
        if account.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == "WAITING":
            return cluster_id
    cluster_id = account.launch(
        2,
        SessionEnabled=True,
        EbsRootVolumeSize=40,
        EbsRootVolumeIops=4000,
        LogEncryptionKmsKeyId=LOG_KEY,
        Configurations=[
            {
                "Classification": "spark-env",
                "Configurations": [{"Classification": "export", "Properties": {"PLANTED": "here"}}],
            },
            {"Classification": "spark-defaults", "Properties": {"spark.yarn.maxAppAttempts": "1"}},
        ],
    )
    account.until(cluster_id, "WAITING")
    launched.append(cluster_id)
    return cluster_id


def test_yarn_s_own_pages_can_be_looked_at(box: Any, account: Account, cluster: str) -> None:
    name = account.emr.describe_cluster(ClusterId=cluster)["Cluster"]["MasterPublicDnsName"].partition(".")[0]
    host, port = box.environment["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    for path, words in (("/cluster/nodes", b"nodes.localhost"), ("/static/yarn.css", b"sans-serif")):
        connection = http.client.HTTPConnection(host, int(port), timeout=HANG_SECONDS)
        connection.request("GET", path, headers={"Host": f"p8088.{name}.nodes.localhost:{port}"})
        answer = connection.getresponse()
        assert (answer.status, words in answer.read()) == (200, True), path
        connection.close()


def test_a_cluster_is_ready_with_tagged_instances_on_its_own_addresses(
    account: Account, cluster: str
) -> None:
    described = account.emr.describe_cluster(ClusterId=cluster)["Cluster"]
    listed = account.emr.list_instances(ClusterId=cluster)["Instances"]
    real = account.instances(cluster)
    assert {i["State"]["Name"] for i in real} == {"running"}
    assert {i["Ec2InstanceId"] for i in listed} == {i["InstanceId"] for i in real}
    roles = [
        {t["Key"]: t["Value"] for t in i["Tags"]}["aws:elasticmapreduce:instance-group-role"] for i in real
    ]
    assert sorted(roles) == ["CORE", "CORE", "MASTER"]
    assert all({"Key": "run_id", "Value": "1"} in i["Tags"] for i in real)
    assert described["MasterPublicDnsName"] in {i["PrivateDnsName"] for i in real}


def test_root_volumes_are_as_the_launch_asks_for(account: Account, cluster: str) -> None:
    for instance in account.instances(cluster):
        attached = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"]}
        assert set(attached) == {"/dev/xvda", "/dev/sdb", "/dev/sdc"}
        volumes = account.ec2.describe_volumes(VolumeIds=[attached[instance["RootDeviceName"]]])["Volumes"]
        assert [(v["VolumeType"], v["Size"], v["Iops"]) for v in volumes] == [("gp3", 40, 4000)]


def test_a_command_runs_as_hadoop_on_the_master_and_its_logs_are_in_s3(
    account: Account, cluster: str
) -> None:
    script = "id -un; hostname; grep PLANTED /etc/spark/conf/spark-env.sh; hdfs dfs -ls /user; echo said >&2"
    step = account.run_step(cluster, "bash", "-c", script)
    assert step["Status"]["State"] == "COMPLETED"
    folder = f"{cluster}/steps/{step['Id']}/"
    assert account.keys(folder) == {"controller.gz", "stderr.gz", "stdout.gz", "syslog.gz"}
    out = account.log(f"{folder}stdout.gz")
    master = account.emr.describe_cluster(ClusterId=cluster)["Cluster"]["MasterPublicDnsName"]
    assert out.splitlines()[:3] == ["hadoop", master, "export PLANTED=here"]
    assert "/user/hadoop" in out
    assert account.log(f"{folder}stderr.gz") == "said\n"
    assert "Step succeeded" in account.log(f"{folder}controller.gz")
    stored = account.s3.head_object(Bucket=BUCKET, Key=f"logs/{folder}controller.gz")
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", LOG_KEY)


def test_a_step_whose_hadoop_job_fails_has_failed_whatever_its_process_says(
    account: Account, cluster: str
) -> None:
    job = "hadoop-streaming -D mapreduce.map.maxattempts=1 "
    job += "-input /failing.txt -output /tmp/failing -mapper /bin/false; echo over"
    step = account.run_step(cluster, "bash", "-c", f"hdfs dfs -put /etc/hosts /failing.txt; {job}")
    folder = f"{cluster}/steps/{step['Id']}/"
    assert account.log(f"{folder}stdout.gz").endswith("over\n")
    assert step["Status"]["State"] == "FAILED"
    assert "Hadoop jobs failed: application_" in account.log(f"{folder}controller.gz")


def test_a_spark_job_in_cluster_mode_reads_and_writes_s3(account: Account, cluster: str) -> None:
    rows = "key,value\n" + "".join(f"{n % 7},{n}\n" for n in range(5000))
    account.s3.put_object(Bucket=BUCKET, Key="in/rows.csv", Body=rows.encode())
    account.s3.put_object(Bucket=BUCKET, Key="jobs/count.py", Body=COUNT_JOB.encode())
    submit = ("spark-submit", "--deploy-mode", "cluster")
    step = account.run_step(cluster, *submit, f"s3://{BUCKET}/jobs/count.py", f"s3://{BUCKET}/out/")
    assert step["Status"]["State"] == "COMPLETED", step
    (application,) = step["AdditionalInfo"]["ResourceManagerApplicationIds"]
    containers = account.keys(f"{cluster}/containers/{application}/")
    driver = next(key for key in containers if key.endswith("_000001/stdout.gz"))
    said = account.log(f"{cluster}/containers/{application}/{driver}")
    assert "total 12497500" in said
    assert "archives True [True]" in said
    assert account.s3.list_objects_v2(Bucket=BUCKET, Prefix="out/_SUCCESS")["KeyCount"] == 1


def test_a_failing_spark_job_fails_its_step_and_its_traceback_is_in_s3(
    account: Account, cluster: str
) -> None:
    account.s3.put_object(Bucket=BUCKET, Key="jobs/fail.py", Body=FAILING_JOB.encode())
    step = account.run_step(
        cluster, "spark-submit", "--deploy-mode", "cluster", f"s3://{BUCKET}/jobs/fail.py"
    )
    assert step["Status"]["State"] == "FAILED"
    failure = step["Status"]["FailureDetails"]
    assert failure["LogFile"] == f"s3://{BUCKET}/logs/{cluster}/steps/{step['Id']}/stderr.gz"
    (application,) = step["AdditionalInfo"]["ResourceManagerApplicationIds"]
    prefix = f"{cluster}/containers/{application}/"
    logs = [account.log(prefix + key) for key in account.keys(prefix) if key.endswith("_000001/stdout.gz")]
    assert "ValueError: the planted mistake" in logs[0]


def test_daemons_share_the_archive_of_their_classes(account: Account, cluster: str) -> None:
    each = 'for user in hdfs yarn; do sudo -n -u "$user" python3 -c "$1"; done'
    step = account.run_step(cluster, "bash", "-c", each, "each", SHARED_ARCHIVES)
    name_node, resource_manager = account.log(f"{cluster}/steps/{step['Id']}/stdout.gz").splitlines()
    assert (name_node, resource_manager) == ("shared", "shared")


def test_script_runner_fetches_the_script_and_its_exit_code_decides(account: Account, cluster: str) -> None:
    account.s3.put_object(Bucket=BUCKET, Key="script.sh", Body=b'#!/bin/bash\necho "got $1"\nexit $2\n')
    jar = "s3://us-east-1.elasticmapreduce/libs/script-runner/script-runner.jar"
    script = f"s3://{BUCKET}/script.sh"
    assert account.run_step(cluster, script, "it", "0", jar=jar)["Status"]["State"] == "COMPLETED"
    failed = account.run_step(cluster, script, "it", "3", jar=jar)
    assert failed["Status"]["State"] == "FAILED"
    assert account.log(f"{cluster}/steps/{failed['Id']}/stdout.gz") == "got it\n"
    assert "exit code 3" in account.log(f"{cluster}/steps/{failed['Id']}/controller.gz")


def test_s3_dist_cp_copies_between_s3_and_hdfs(account: Account, cluster: str) -> None:
    for name in ("a b.csv", "day=1/c.csv", "day=1/d.log"):
        account.s3.put_object(Bucket=BUCKET, Key=f"from/{name}", Body=name.encode())
    copies = [
        (f"s3://{BUCKET}/from/", "hdfs:///copied", ()),
        ("/copied", f"s3://{BUCKET}/to/", ("--srcPattern", r".*\.csv", "--deleteOnSuccess")),
    ]
    for source, target, more in copies:
        step = account.run_step(cluster, "s3-dist-cp", f"--src={source}", "--dest", target, *more)
        assert step["Status"]["State"] == "COMPLETED", step
    there = account.s3.list_objects_v2(Bucket=BUCKET, Prefix="to/")["Contents"]
    files = {one["Key"] for one in there if not one["Key"].endswith("/")}
    assert files == {"to/a b.csv", "to/day=1/c.csv"}
    assert account.s3.get_object(Bucket=BUCKET, Key="to/day=1/c.csv")["Body"].read() == b"day=1/c.csv"
    (job,) = step["AdditionalInfo"]["ResourceManagerApplicationIds"]
    job = job.replace("application_", "job_")
    keys = account.keys(f"{cluster}/hadoop-mapreduce/history/")
    day = f"{step['Status']['Timeline']['EndDateTime']:%Y/%m/%d}"
    assert f"{day}/000000/{job}_conf.xml.gz" in keys
    [written] = [key for key in keys if f"/{job}-" in key]
    assert b"JOB_FINISHED" in account.raw_log(f"{cluster}/hadoop-mapreduce/history/{written}")  # Avro
    left = account.run_step(cluster, "hadoop", "fs", "-ls", "-R", "/copied")
    shown = account.log(f"{cluster}/steps/{left['Id']}/stdout.gz")
    assert "/copied/day=1/d.log" in shown
    assert ".csv" not in shown
    missing = account.run_step(cluster, "s3-dist-cp", "--src", "/nowhere", "--dest", "/copied")
    assert missing["Status"]["State"] == "FAILED"


def test_cancelling_ends_the_steps_process(account: Account, cluster: str) -> None:
    step = {
        "Name": "long",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["sleep", "321"]},
    }
    step_id = account.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0]
    account.until(cluster, "RUNNING")
    account.emr.cancel_steps(ClusterId=cluster, StepIds=[step_id])
    account.until(cluster, "WAITING")
    found = account.emr.describe_step(ClusterId=cluster, StepId=step_id)["Step"]
    assert found["Status"]["State"] == "CANCELLED"
    assert account.run_step(cluster, "pgrep", "-f", "sleep 321")["Status"]["State"] == "FAILED"


def test_presigned_urls_open_the_pages_of_yarn_and_spark_on_the_cluster(
    account: Account, cluster: str, pages: Pages
) -> None:
    application = application_of(account, cluster)
    for kind, words in (("ResourceManager", "All Applications"), ("SparkHistoryServer", "History Server")):
        answer = account.emr.get_on_cluster_app_ui_presigned_url(ClusterId=cluster, OnClusterAppUIType=kind)
        assert words in pages.enter(answer["PresignedURL"])
        assert Pages(pages.box, pages.host).get("/cluster")[0] == 403
    assert application in pages.get("/shs/api/v1/applications")[2]
    answer = account.emr.get_on_cluster_app_ui_presigned_url(ClusterId=cluster, ApplicationId=application)
    assert application in pages.enter(answer["PresignedURL"])
    with pytest.raises(ClientError, match="has no application"):
        account.emr.get_on_cluster_app_ui_presigned_url(ClusterId=cluster, ApplicationId="application_1_1")


def application_of(account: Account, cluster: str) -> str:
    """Return a Spark application that has succeeded on a cluster; it runs one if there is none yet."""
    for step in account.emr.list_steps(ClusterId=cluster, StepStates=["COMPLETED"])["Steps"]:
        described = account.emr.describe_step(ClusterId=cluster, StepId=step["Id"])["Step"]
        ids = described.get("AdditionalInfo", {}).get("ResourceManagerApplicationIds")
        if ids and described["Config"]["Args"][0] == "spark-submit":
            return str(ids[0])
    account.s3.put_object(Bucket=BUCKET, Key="jobs/small.py", Body=SMALL_JOB.encode())
    step = account.run_step(cluster, "spark-submit", f"s3://{BUCKET}/jobs/small.py")
    assert step["Status"]["State"] == "COMPLETED", step
    return str(step["AdditionalInfo"]["ResourceManagerApplicationIds"][0])


def test_a_spark_connect_client_works_in_a_session_with_its_token_only(
    account: Account, cluster: str, pages: Pages
) -> None:
    configuration = {
        "Classification": "spark-defaults",
        "Properties": {"spark.app.name": "C:\\dir = 1", "spark.executor.instances": "1"},
    }
    named = {"ClusterId": cluster}
    started = account.emr.start_session(**named, Name="test", EngineConfigurations=[configuration])
    named["SessionId"] = started["Id"]

    def session() -> dict[str, Any]:
        return dict(account.emr.get_session(**named)["Session"])

    wait_until(lambda: session()["State"] in {"IDLE", "FAILED"})
    assert session()["State"] == "IDLE", session()
    endpoint = account.emr.get_session_endpoint(**named)
    address = endpoint["Endpoint"].replace("http://", "sc://")
    metadata = f"/;authorization={named['SessionId']};x-aws-proxy-auth="
    said = subprocess.run(
        [SPARK_CONNECT, "-c", CLIENT, address + metadata, endpoint["AuthToken"]],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert said.stdout.splitlines() == ["['4.0.2', 'C:\\\\dir = 1', 499500]", "True"], said
    assert account.emr.terminate_session(**named)["State"] == "TERMINATING"
    wait_until(lambda: session()["State"] == "TERMINATED")
    pages.enter(account.emr.get_on_cluster_app_ui_presigned_url(ClusterId=cluster)["PresignedURL"])
    wait_until(
        lambda: json.loads(pages.get("/ws/v1/cluster/metrics")[2])["clusterMetrics"]["appsRunning"] == 0
    )


def test_what_no_rule_opens_is_reached_by_the_clusters_own_nodes_only(
    box: Any, account: Account, cluster: str
) -> None:
    ports = {"MASTER": (SSH, NAMENODE_HTTP_PORT), "CORE": (SSH, DATANODE_HTTP_PORT)}
    places = [
        (node["PrivateIpAddress"], port)
        for role, open_ports in ports.items()
        for node in account.emr.list_instances(ClusterId=cluster, InstanceGroupTypes=[role])["Instances"]
        for port in open_ports
    ]
    step = account.run_step(cluster, "bash", "-c", connect_to(places))
    by_nodes = account.log(f"{cluster}/steps/{step['Id']}/stdout.gz")
    assert sorted(by_nodes.splitlines()) == sorted(f"{to} {port}" for to, port in places)
    [stranger] = box.launch()
    itself = (stranger["PrivateIpAddress"], SSH)
    assert box.ssh(stranger, connect_to([*places, itself])) == f"{itself[0]} {SSH}\n"
    with ThreadPoolExecutor() as pool:
        answers = {
            place: pool.submit(box.answer, *place, within=HANG_SECONDS if place[1] == SSH else 3)
            for place in places
        }
    assert {place for place, one in answers.items() if one.result()} == {p for p in places if p[1] == SSH}


def connect_to(places: list[tuple[str, int]]) -> str:
    """Return a command that says to which addresses and ports it got a connection within three seconds."""
    tries = (f"(timeout 3 bash -c '</dev/tcp/{to}/{port}' && echo {to} {port}) &" for to, port in places)
    return f"exec 2>&-; {' '.join(tries)} wait"


def test_terminating_leaves_no_instance_and_the_daemons_logs_in_s3(account: Account, cluster: str) -> None:
    account.emr.terminate_job_flows(JobFlowIds=[cluster])
    status = account.until(cluster, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert {i["State"]["Name"] for i in account.instances(cluster)} == {"terminated"}
    for role, daemons in (("MASTER", ("namenode", "resourcemanager")), ("CORE", ("datanode", "nodemanager"))):
        found = account.emr.list_instances(ClusterId=cluster, InstanceGroupTypes=[role])["Instances"]
        for instance in found:
            check_node_logs(account, f"{cluster}/node/{instance['Ec2InstanceId']}/", instance, daemons)


def check_node_logs(
    account: Account, folder: str, instance: dict[str, Any], daemons: tuple[str, str]
) -> None:
    """A node's daemons, its instance controller, its provisioning and a snapshot of it are in S3."""
    (hdfs, yarn), name = daemons, instance["PrivateDnsName"]
    host = name.partition(".")[0]
    keys = account.keys(folder)
    assert f"applications/hadoop-hdfs/hadoop-hdfs-{hdfs}-{host}.log.gz" in keys
    assert f"applications/hadoop-yarn/hadoop-yarn-{yarn}-{host}.log.gz" in keys
    assert f"run: {hdfs}, {yarn}\n" in account.log(f"{folder}daemons/instance-controller.log.gz")
    [puppet] = [key for key in keys if key.startswith("provision-node/apps-phase/0/")]
    lines = account.log(folder + puppet).splitlines()
    assert any(line.endswith("emrbox (notice): Wrote /etc/hadoop/conf/core-site.xml") for line in lines)
    assert any(line.endswith(f"Started {hdfs}, {yarn}") for line in lines)
    [report] = [key for key in keys if key.startswith("provision-node/reports/0/")]
    assert f"/{name}/" in report
    assert "status: changed\n" in account.log(folder + report)
    snapshots = [key for key in keys if key.startswith("daemons/instance-state/instance-state.log-")]
    assert "-Dhadoop.log.dir=/var/log/hadoop-hdfs" in account.log(folder + min(snapshots))


def test_what_an_ended_cluster_has_run_can_be_read_off_the_cluster(
    account: Account, launched: list[str], pages: Pages
) -> None:
    cluster, application = ended_cluster(account, launched)
    arn = f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/{cluster}"
    named = {
        "PersistentAppUIId": account.emr.create_persistent_app_ui(TargetResourceArn=arn)["PersistentAppUIId"]
    }

    def ui() -> dict[str, Any]:
        return dict(account.emr.describe_persistent_app_ui(**named)["PersistentAppUI"])

    wait_until(lambda: ui()["PersistentAppUIStatus"] != "STARTING")
    assert ui()["PersistentAppUIStatus"] == "ATTACHED", ui()
    answer = account.emr.get_persistent_app_ui_presigned_url(**named, PersistentAppUIType="SHS")
    assert "History Server" in pages.enter(answer["PresignedURL"])
    wait_until(lambda: application in pages.get("/shs/api/v1/applications")[2])
    answer = account.emr.get_persistent_app_ui_presigned_url(**named, ApplicationId=application)
    assert "Spark Jobs" in pages.enter(answer["PresignedURL"])
    assert not [i for i in account.instances(cluster) if i["State"]["Name"] == "running"]


def ended_cluster(account: Account, launched: list[str]) -> tuple[str, str]:
    """Return the last cluster if it has ended, else another one, with a Spark application of it."""
    for cluster in launched[-1:]:
        if account.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"] == "TERMINATED":
            return cluster, application_of(account, cluster)
    cluster = account.launch(1)
    account.until(cluster, "WAITING")
    application = application_of(account, cluster)
    account.emr.terminate_job_flows(JobFlowIds=[cluster])
    account.until(cluster, "TERMINATED")
    return cluster, application


def test_a_failing_bootstrap_action_ends_the_cluster_with_errors(account: Account) -> None:
    script = b"#!/bin/bash\necho planned; sudo id -un; aws s3 ls s3://emr-test/ && exit 7\n"
    account.s3.put_object(Bucket=BUCKET, Key="bootstrap.sh", Body=script)
    action = {"Name": "b", "ScriptBootstrapAction": {"Path": f"s3://{BUCKET}/bootstrap.sh"}}
    cluster_id = account.launch(0, BootstrapActions=[action])
    status = account.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"]["Code"] == "BOOTSTRAP_FAILURE"
    assert "bootstrap action 1 returned a non-zero return code" in status["StateChangeReason"]["Message"]
    (detail,) = status["ErrorDetails"]
    assert detail["ErrorCode"] == "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"
    assert {"return-code": "7"} in detail["ErrorData"]
    (instance,) = account.instances(cluster_id)
    log = account.log(f"{cluster_id}/node/{instance['InstanceId']}/bootstrap-actions/1/stdout.gz")
    assert log.startswith("planned\nroot\n")
    log = account.log(f"{cluster_id}/node/{instance['InstanceId']}/bootstrap-actions/master.log.gz")
    assert "failed to start. bootstrap action 1 failed with non-zero exit code." in log


def test_a_cluster_of_one_node_ends_with_errors_when_it_is_shut_down(account: Account) -> None:
    cluster_id = account.launch(0)
    account.until(cluster_id, "WAITING")
    command = ["sudo", "shutdown", "-h", "now"]
    step = {
        "Name": "off",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
    }
    account.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])
    status = account.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"


def test_a_service_role_that_may_not_launch_gets_no_instances(account: Account) -> None:
    account.make_role("weak", "elasticmapreduce.amazonaws.com", NODES_ROLE)
    status = account.until(account.launch(0, ServiceRole="weak"), "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": "Service role weak has insufficient EC2 permissions",
    }


def test_a_user_without_a_policy_may_not_launch(account: Account) -> None:
    account.iam.create_user(UserName="nobody")
    key = account.iam.create_access_key(UserName="nobody")["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    emr = session.client("emr", endpoint_url=account.emr.meta.endpoint_url)
    with pytest.raises(emr.exceptions.ClientError, match="AccessDeniedException"):
        emr.run_job_flow(Name="x", Instances={}, ServiceRole="service", JobFlowRole="nodes")
