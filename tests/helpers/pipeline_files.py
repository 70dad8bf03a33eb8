"""A small checkout whose pipeline `daily` tests may write, with settings that need no Ansible."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiln.settings import check, files
from kiln.settings.ansible_values import Answer, Question
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = "group_vars/daily.yml"
HOSTS = "all: {children: {local: {children: {pipelines: {children: {daily: {}}}}}}}\n"
ENVIRONMENT = """\
kiln_environment: local
kiln_owner: ops
ds: "2026-11-20"
aws_region: us-east-1
kiln_state_uri: s3://state/kiln
kiln_cache_dir: /cache
kiln_terminate_timeout_seconds: 60
kiln_poll_interval_seconds: 1
kiln_reap_grace_seconds: 60
kiln_launch_timeout_seconds: 60
kiln_step_timeout_seconds: 60
kiln_run_timeout_seconds: 60
emr_cluster_log_uri: s3://logs/emr/
emr_cluster_key_pair: key
"""


def make(root: Path) -> Path:
    """Make a checkout with the roles of this one, the environment `local` and the pipeline `daily`."""
    shutil.copytree(CHECKOUT / "roles", root / "roles")
    for name, text in {"inventory/local/hosts.yml": HOSTS, "group_vars/local/main.yml": ENVIRONMENT}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def answer(question: Question, keys: Iterable[str]) -> Answer:
    """Answer as Ansible does for files without templates, which is slow."""
    keys = list(keys)
    sources = files.readable(question.root, question.environment, question.pipeline, (), Problems())
    values: dict[str, Any] = {
        "emr_cluster_release_label": "emr-7.10.0",
        "emr_cluster_service_role": "service",
        "emr_cluster_instance_profile": "nodes",
        "emr_cluster_master_instance_type": "m5.xlarge",
        "emr_cluster_core_instance_type": "m5.xlarge",
        "emr_cluster_core_count": 1,
        "emr_cluster_idle_timeout_seconds": 3600,
        "emr_cluster_max_lifetime_seconds": 3600,
        "emr_cluster_applications": ["Spark"],
    }
    origins: dict[str, str] = {}
    for source in sources:
        values |= source.values
        origins |= {key: source.at(key) for key in source.values}
    known = {key: value for key, value in values.items() if key in keys and not check.is_open(value)}
    missing = dict.fromkeys(set(keys) - known.keys(), "not set anywhere")
    return Answer(format=1, values=known, errors=missing, origins=origins)
