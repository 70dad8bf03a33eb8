"""A checkout whose scripts/kiln only writes down how it was called, and the Airflow that makes DAGs of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
# `make airflow_matrix` names another one.
AIRFLOW = Path(os.environ.get("TEST_AIRFLOW", CHECKOUT / ".venvs/airflow"))
PROGRAM = Path(__file__).parent / "run_dags.py"
RECORDER = '''#!/usr/bin/env python3
"""Writes down how it was called, and ends as answers.json says: a code for each try of an action."""
import json, os, pathlib, sys
here = pathlib.Path(__file__).resolve().parents[1]
verb, pipeline = sys.argv[1:3]
if verb == "list":
    print(json.dumps({"clusters": []}))
    sys.exit()
action = sys.argv[3] if verb == "run" else verb
calls = here / f"{pipeline}.jsonl"
before = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
tried = sum(one["action"] == action for one in before)
with calls.open("a") as file:
    file.write(json.dumps({"action": action, "argv": sys.argv[1:], "env": dict(os.environ)}) + "\\n")
codes = json.loads((here / "answers.json").read_text()).get(pipeline, {}).get(action, [0])
code = codes[min(tried, len(codes) - 1)]
print("kiln: a line for people", file=sys.stderr, flush=True)
said = {"action": action, "exit_code": code, "message": f"{action} says {code}", "fix": "do it"}
print(json.dumps(said | {"steps": [{"state": "RUNNING" if "--no-wait" in sys.argv else "COMPLETED"}]}))
sys.exit(code)
'''


class Checkout:
    """A checkout in a folder of the test, with the DAG files and the source of this one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("group_vars", "inventory", "scripts", "dags"):
            (root / name).mkdir(parents=True)
        (root / "src").symlink_to(CHECKOUT / "src")
        for name in ("pipelines.py", "check_settings.py"):
            (root / "dags" / name).write_text((CHECKOUT / "dags" / name).read_text())
        kiln = root / "scripts/kiln"
        kiln.write_text(RECORDER)
        kiln.chmod(0o755)
        self.environments: dict[str, list[str]] = {"local": [], "prod": []}
        self.codes: dict[str, dict[str, list[int]]] = {}

    def add(self, name: str, dag: Any, steps: Any, codes: dict[str, list[int]] | None = None) -> None:
        """Add a pipeline to all environments; `codes` are the exit codes of actions, one for each try."""
        self.codes[name] = codes or {}
        (self.root / "answers.json").write_text(json.dumps(self.codes))
        (self.root / f"group_vars/{name}.yml").write_text(yaml.safe_dump({"dag": dag, "steps": steps}))
        for environment, names in self.environments.items():
            names.append(name)
            pipelines: dict[str, Any] = {one: {} for one in names}
            tree = {"all": {"children": {environment: {"children": {"pipelines": {"children": pipelines}}}}}}
            file = self.root / "inventory" / environment / "hosts.yml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(yaml.safe_dump(tree))

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Return how scripts/kiln was called for a pipeline."""
        file = self.root / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def airflow(self, home: Path, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Let Airflow make the DAGs of this checkout, and run some; return what it tells, and its log."""
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.root / "dags"),
            "PYTHONWARNINGS": "ignore",
        }
        assert AIRFLOW.exists(), "Airflow is not installed: scripts/setup --tests"
        options: Any = {"env": environment, "capture_output": True, "text": True, "timeout": 900}
        subprocess.run([AIRFLOW / "bin/airflow", "db", "migrate"], check=True, **options)
        command = [str(AIRFLOW / "bin/python"), str(PROGRAM), str(self.root), json.dumps(runs)]
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer | {"log": done.stdout + done.stderr}
