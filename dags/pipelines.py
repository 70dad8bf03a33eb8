"""An Airflow DAG for each pipeline with the key `dag` in group_vars/ that has no file of its own here."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "src"))

from kiln_airflow import factory

made = factory.dags(CHECKOUT, without=frozenset(path.stem for path in Path(__file__).parent.glob("*.py")))
globals().update(made)
