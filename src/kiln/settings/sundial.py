"""A Sundial `emr_command` task definition as a pipeline of Kiln.

Fields: the article "Sundial AWS EMR Integration" (2018). What Kiln has no setting for is reported, and
so is every field that the article does not have.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from kiln.errors import UsageError
from kiln.settings.cloudwatch_logs import KEY
from kiln.settings.names import shown

_NEW, _EXISTING = "emr_cluster.new_emr_cluster.", "emr_cluster.existing_emr_cluster."
_GROUPS = {"master_instance": "master", "core_instance": "core", "task_instance": "task"}
# Field of emr_command -> the cluster's setting.
_SETTINGS = {
    f"{_NEW}release_label": "release_label",
    f"{_NEW}applications": "applications",
    f"{_NEW}s3_log_uri": "log_uri",
    f"{_NEW}emr_service_role.default_emr_service_role": "service_role",
    f"{_NEW}emr_service_role.custom_emr_service_role": "service_role",
    f"{_NEW}emr_job_flow_role.default_emr_job_flow_role": "instance_profile",
    f"{_NEW}emr_job_flow_role.custom_emr_job_flow_role": "instance_profile",
    f"{_NEW}ec2_subnet": "subnet_id",
    **{f"{_NEW}{group}.emr_instance_type": f"{role}_instance_type" for group, role in _GROUPS.items()},
    f"{_NEW}core_instance.instance_count": "core_count",
    f"{_NEW}task_instance.instance_count": "task_count",
}
_MARKETS = {
    f"{_NEW}{group}.aws_market.{market}": (f"{role}_market", value)
    for group, role in _GROUPS.items()
    for market, value in {"on_demand": "ON_DEMAND", "spot.bid_price": "SPOT"}.items()
}
_BIDS = {f"{_NEW}{group}.aws_market.spot.bid_price": f"{role}_bid_price" for group, role in _GROUPS.items()}
_JOB = ("job_name", "class", "s3_jar_path", "spark_conf", "args")
_LOGS = {"s3_log_details.log_group_name": "group", "s3_log_details.log_stream_name": "stream"}
# Known fields that no setting takes, and why.
_NOTES = {
    "region": "the region is the environment's (aws_region)",
    f"{_NEW}name": "a cluster is named after environment, pipeline and run",
    f"{_NEW}master_instance.instance_count": "there is exactly one master",
    f"{_NEW}visible_to_all_users": "EMR ignores it: all users of the account see a cluster",
}


class Imported(NamedTuple):
    """A pipeline's settings, and a line for each field that they do not hold."""

    name: str
    values: dict[str, Any]
    notes: list[str]


def pipeline_of(text: str, label: str, name: str | None = None) -> Imported:
    """Return the pipeline of a task definition; its name is the job's unless one is given.

    Raises UsageError for what is no task definition of this kind.
    """
    command = _emr_command(_read(text, label), label)
    fields = dict(_leaves("", command))
    missing = [field for field in ("job_name", "class", "s3_jar_path") if field not in fields]
    if missing:
        raise UsageError(f"{label}: emr_command has no {missing[0]}", fix=f"add {missing[0]} there")
    job = name_of(str(fields["job_name"]))
    step = {"name": job, "spark": _spark(fields, label)}
    cluster = {setting: fields[field] for field, setting in _SETTINGS.items() if field in fields}
    cluster |= {setting: value for field, (setting, value) in _MARKETS.items() if field in fields}
    cluster |= {setting: str(fields[field]) for field, setting in _BIDS.items() if field in fields}
    if f"{_EXISTING}cluster_id" in fields:
        cluster["existing"] = {"id": fields[f"{_EXISTING}cluster_id"]}
    else:
        cluster.setdefault("applications", ["Spark"])
    values = {f"emr_cluster_{setting}": value for setting, value in cluster.items()}
    logs = {key: fields[field] for field, key in _LOGS.items() if field in fields}
    values |= {KEY: logs} if logs else {}
    return Imported(name or job, {**values, "steps": [step]}, _notes(fields))


def name_of(text: str) -> str:
    """Return a name that pipelines and steps may have: `MyJobName1` becomes my_job_name1."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:40]
    return name if name[:1].isalpha() else f"job_{name}"[:40].rstrip("_")


def _notes(fields: dict[str, Any]) -> list[str]:
    known = {*_SETTINGS, *_MARKETS, *_JOB, *_NOTES, *_LOGS, f"{_EXISTING}cluster_id"}
    notes = [f"{field} is not imported: {why}" for field, why in _NOTES.items() if field in fields]
    unknown = [field for field in fields if field not in known]
    return [*notes, *(f"{shown(field)} is not imported: it is unknown" for field in unknown)]


def _spark(fields: dict[str, Any], label: str) -> dict[str, Any]:
    conf: dict[str, str] = {}
    for at, one in enumerate(_list(fields, "spark_conf", label)):
        key, sign, value = str(one).partition("=")
        if not sign or not key.startswith("spark."):
            raise UsageError(
                f"{label}: spark_conf[{at}] is {shown(str(one))}: expected spark.NAME=VALUE",
                fix="correct it there",
            )
        conf[key] = value
    job = {"jar": fields["s3_jar_path"], "class": fields["class"]}
    args = [str(one) for one in _list(fields, "args", label)]
    return job | ({"conf": conf} if conf else {}) | ({"args": args} if args else {})


def _list(fields: dict[str, Any], key: str, label: str) -> list[Any]:
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"{label}: {key} is no list", fix="correct it there")
    return value


def _leaves(place: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(place, value)]
    return [leaf for key, one in value.items() for leaf in _leaves(f"{place}.{key}".lstrip("."), one)]


def _read(text: str, label: str) -> Any:
    """Read JSON; a definition that is copied out of a larger one may lack the outer braces."""
    try:
        try:
            return json.loads(text)
        except ValueError:
            return json.loads(f"{{{text}}}")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{label} is not valid JSON: {error}", fix="correct it there") from error


def _emr_command(document: Any, label: str) -> dict[str, Any]:
    pending, found = [document], list[dict[str, Any]]()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            inner = one.get("emr_command")
            found += [inner] if isinstance(inner, dict) else []
            pending += one.values()
        elif isinstance(one, list):
            pending += one
    if len(found) != 1:
        has = f"{len(found)} emr_commands" if found else "no emr_command"
        raise UsageError(f"{label} has {has}", fix="give a task definition with one emr_command")
    return found[0]
