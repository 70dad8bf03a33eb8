"""The daily Airflow DAG of model_building, written out: an example of a DAG of one's own.

Its schedule, pool and retries stand in group_vars/model_building.yml, key `dag`.
"""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "src"))

from kiln_airflow import factory
from kiln_airflow.tasks import Tasks

pipeline = factory.pipeline(CHECKOUT, "model_building")

with factory.new_dag(pipeline) as dag:
    tasks = Tasks(pipeline)
    previous_run = tasks.sensors()
    preflight = tasks.preflight()
    launch = tasks.launch()
    sd = tasks.step("sd")  # sender models and domain reputation
    cdd = tasks.step("cdd")  # campaign models

    previous_run >> preflight >> launch >> sd >> cdd
    tasks.end(preflight, last=[cdd])
