"""The two task definitions of the article "Sundial AWS EMR Integration" (2018) run on hollow clusters."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from checkout_copy import copy_checkout
from local_world import CHECKOUT, HANG_SECONDS, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import World

# As the article has it, without outer braces.
EXISTING = """
 "executable":{
    "emr_command":{
       "emr_cluster":{
          "existing_emr_cluster":{
             "cluster_id":"j-123ABC456DEF9"
          }
       },
       "job_name":"MyJobName1",
       "region":"us-east-1",
       "class":"com.company.job.spark.core.MainClass",
       "s3_jar_path":"s3://my-spark-job-release-bucket/my-job-spark-v1-0-0.jar",
       "spark_conf":[
          "spark.driver.extraJavaOptions=-Denvironment=production"
       ],
       "args":[
          "arg1", "arg2"
       ],
       "s3_log_details":{
          "log_group_name":"spark-emr-log-group",
          "log_stream_name":"spark-emr-log-stream"
       }
    }
 }
"""
# The same job on a new cluster: the article gives this part of its definition.
NEW = """
"emr_cluster":{
  "new_emr_cluster":{
     "name":"My Cluster Name",
     "release_label":"emr-5.11.0",
     "applications":[
        "Spark"
     ],
     "s3_log_uri":"s3://cluster-log-bucket",
     "master_instance":{
        "emr_instance_type":"m4.large",
        "instance_count":1,
        "aws_market":{
           "on_demand":"on_demand"
        }
     },
     "core_instance":{
        "emr_instance_type":"m4.xlarge",
        "instance_count":2,
        "aws_market":{
           "on_demand":"on_demand"
        }
     },
     "emr_service_role":{
        "default_emr_service_role":"EMR_DefaultRole"
     },
    "emr_job_flow_role": {
      "default_emr_job_flow_role": "EMR_EC2_DefaultRole"
    },
     "ec2_subnet":"subnet-a123456b",
     "visible_to_all_users":true
  }
}
"""
COMMAND = json.loads(f"{{{EXISTING}}}")["executable"]["emr_command"]
# The local AWS has no release and no instance types of 2018.
RELEASE, TYPE = "emr-spark-8.0.0", "m5.xlarge"
HOLLOW = {"emrbox:hollow": "true"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout of its own, in the account of the tests."""
    made = tmp_path / "checkout"
    copy_checkout(made)
    (made / ".venv").symlink_to(CHECKOUT / ".venv")
    (made / ".kiln").mkdir()
    (made / ".kiln/local").symlink_to(CHECKOUT / ".kiln/local")
    return made


def kiln(root: Path, *words: str) -> str:
    done = subprocess.run(
        [root / "scripts/kiln", *words],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(root: Path, definition: str, name: str, **account: Any) -> dict[str, Any]:
    """Import a definition and run it, with what this account has in place of what the article's has."""
    (root / "task.json").write_text(definition)
    kiln(root, "import", "sundial", str(root / "task.json"), "--name", name)
    # A log group of this name is not the operator's to write to.
    extra = json.dumps({"kiln_cloudwatch_logs": {}, **account})
    said = kiln(root, "run", name, "--env", "local", "--run-id", f"{name}-{uuid4().hex[:8]}", "-e", extra)
    return dict(json.loads(said))


def steps_of(world: World, cluster_id: str) -> list[tuple[str, list[str]]]:
    found = world.session.client("emr").list_steps(ClusterId=cluster_id)["Steps"]
    return [(one["Status"]["State"], one["Config"]["Args"]) for one in found]


ARGUMENTS = [
    *("--class", COMMAND["class"]),
    *("--conf", COMMAND["spark_conf"][0]),
    *(COMMAND["s3_jar_path"], *COMMAND["args"]),
]


def test_both_examples_of_the_article_run(world: World, root: Path) -> None:
    emr, ec2 = world.session.client("emr"), world.session.client("ec2")
    definition = json.dumps({"executable": {"emr_command": {**COMMAND, **json.loads(f"{{{NEW}}}")}}})
    new = run(
        root,
        definition,
        "sundial_new",
        emr_cluster_tags=HOLLOW,
        emr_cluster_release_label=RELEASE,
        emr_cluster_master_instance_type=TYPE,
        emr_cluster_core_instance_type=TYPE,
        emr_cluster_subnet_id=ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        emr_cluster_log_uri="s3://kiln-local-logs/emr/",
        emr_cluster_service_role="EMR_DefaultRole_V2",
    )
    assert new["verdict"] == "succeeded"
    cluster = emr.describe_cluster(ClusterId=new["cluster_id"])["Cluster"]
    assert cluster["Status"]["State"] == "TERMINATED"
    ((state, arguments),) = steps_of(world, new["cluster_id"])
    assert (state, [one for one in arguments if one in ARGUMENTS]) == ("COMPLETED", ARGUMENTS)

    made = emr.run_job_flow(
        Name="of others",
        ReleaseLabel=RELEASE,
        Applications=[{"Name": "Spark"}],
        ServiceRole="EMR_DefaultRole_V2",
        JobFlowRole="EMR_EC2_DefaultRole",
        Instances={"MasterInstanceType": TYPE, "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True},
        Tags=[{"Key": key, "Value": value} for key, value in {**HOLLOW, "kiln_shared_with": "local"}.items()],
    )["JobFlowId"]
    existing = run(root, EXISTING.replace("j-123ABC456DEF9", made), "sundial_existing")
    assert (existing["verdict"], existing["cluster_id"]) == ("succeeded", made)
    assert steps_of(world, made) == [("COMPLETED", arguments)]
    assert emr.describe_cluster(ClusterId=made)["Cluster"]["Status"]["State"] == "WAITING"
    emr.terminate_job_flows(JobFlowIds=[made])
