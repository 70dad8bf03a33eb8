"""Runs one DAG of Airflow's EMR operators with `dag.test()`, as its documentation says to try a DAG.

Its environment is Airflow's own (.venvs/airflow); it is in the folder of DAGs. Argument: "wait" (tasks wait,
and the cluster is of instance groups) or "defer" (tasks are deferred, and it is of instance fleets).
"""

from __future__ import annotations

import json
import sys

from airflow.providers.amazon.aws.operators.emr import (
    EmrAddStepsOperator,
    EmrCreateJobFlowOperator,
    EmrModifyClusterOperator,
    EmrTerminateJobFlowOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor, EmrStepSensor
from airflow.sdk import DAG

POLL = {"waiter_delay": 1, "waiter_max_attempts": 180}
CLUSTER_ID = "{{ task_instance.xcom_pull(task_ids='create') }}"
GROUPS = {
    "InstanceGroups": [
        {"Name": "m", "InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
    ]
}
FLEETS = {
    "InstanceFleets": [
        {
            "Name": "master",
            "InstanceFleetType": "MASTER",
            "TargetOnDemandCapacity": 1,
            "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
        },
        {
            "Name": "core",
            "InstanceFleetType": "CORE",
            "TargetOnDemandCapacity": 1,
            "TargetSpotCapacity": 2,
            "InstanceTypeConfigs": [
                {
                    "InstanceType": "m5.2xlarge",
                    "WeightedCapacity": 2,
                    "BidPriceAsPercentageOfOnDemandPrice": 80.0,
                },
                {"InstanceType": "r5.xlarge", "WeightedCapacity": 1},
            ],
            "LaunchSpecifications": {
                "SpotSpecification": {
                    "TimeoutDurationMinutes": 10,
                    "TimeoutAction": "SWITCH_TO_ON_DEMAND",
                    "AllocationStrategy": "price-capacity-optimized",
                }
            },
        },
    ]
}


def launch(instances: dict[str, object]) -> dict[str, object]:
    return {
        "Name": "airflow",
        "ReleaseLabel": "emr-spark-8.0.0",
        "Applications": [{"Name": "Spark"}],
        "Instances": {**instances, "KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": False},
        "JobFlowRole": "EMR_EC2_DefaultRole",
        "ServiceRole": "EMR_DefaultRole",
    }


def step(name: str, *words: str) -> dict[str, object]:
    jar = {"Jar": "command-runner.jar", "Args": list(words)}
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def make_dag(instances: dict[str, object], *, deferrable: bool) -> DAG:
    """create -> modify -> add steps (and wait) -> sensor -> more steps without waiting -> end."""
    mode = {"deferrable": deferrable, "aws_conn_id": None}
    with DAG("emr_defer" if deferrable else "emr_wait", schedule=None) as dag:
        create = EmrCreateJobFlowOperator(
            task_id="create",
            job_flow_overrides=launch(instances),
            wait_policy="wait_for_completion",
            **POLL,
            **mode,
        )
        modify = EmrModifyClusterOperator(
            task_id="modify", cluster_id=CLUSTER_ID, step_concurrency_level=2, aws_conn_id=None
        )
        add = EmrAddStepsOperator(
            task_id="add",
            job_flow_id=CLUSTER_ID,
            steps=[step("one", "true"), step("two", "echo", "hello")],
            wait_for_completion=True,
            **POLL,
            **mode,
        )
        more = EmrAddStepsOperator(
            task_id="more", job_flow_id=CLUSTER_ID, steps=[step("last", "true")], aws_conn_id=None
        )
        watch = EmrStepSensor(
            task_id="watch",
            job_flow_id=CLUSTER_ID,
            step_id="{{ task_instance.xcom_pull(task_ids='more')[0] }}",
            poke_interval=1,
            **mode,
        )
        end = EmrTerminateJobFlowOperator(
            task_id="end", job_flow_id=CLUSTER_ID, trigger_rule="all_done", **POLL, **mode
        )
        gone = EmrJobFlowSensor(
            task_id="gone", job_flow_id=CLUSTER_ID, target_states=["TERMINATED"], poke_interval=1, **mode
        )
        create >> modify >> add >> more >> watch >> end >> gone
    return dag


dags = {"wait": make_dag(GROUPS, deferrable=False), "defer": make_dag(FLEETS, deferrable=True)}
wait, defer = dags.values()  # Airflow finds them as names of the module

if __name__ == "__main__":
    run = dags[sys.argv[1]].test()
    states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
    print(json.dumps({"run": str(run.state), "tasks": states}))
