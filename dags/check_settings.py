"""Shows settings that no Airflow DAG can be made of as an import error; pipelines.py leaves them out."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "src"))

from kiln_airflow import factory

_, problems = factory.pipelines(CHECKOUT)
if problems:
    raise ImportError("\n".join(problems))
