"""What the Ansible modules do: options in, the same functions as the driver's, results out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import clusters, states, steps
from kiln.clock import SystemClock
from kiln.context import Context
from kiln.errors import ClusterNotFoundError, KilnError, UsageError
from kiln.ledger import Ledger
from kiln.patient import Patient
from kiln.request import Identity, launch_request
from kiln.settings.model import ClusterShape, StepSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.effects import Cluster, Step

Options = dict[str, Any]

_ACCOUNT_OPTIONS: Options = {
    "region": {"type": "str", "required": True},
    "profile": {"type": "str", "default": ""},
    "aws_config_file": {"type": "path", "default": ""},
}
_STATE_OPTIONS: Options = {"state_uri": {"type": "str", "required": True}}

CLUSTER_OPTIONS: Options = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str"},
    "cluster_id": {"type": "str"},
    "owner": {"type": "str"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout_seconds": {"type": "int", "default": 1800},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
    "release_label": {"type": "str"},
    "applications": {"type": "list", "elements": "str", "default": []},
    "log_uri": {"type": "str"},
    "key_pair": {"type": "str", "no_log": False},
    "service_role": {"type": "str"},
    "instance_profile": {"type": "str"},
    "subnet_id": {"type": "str", "default": ""},
    "master_instance_type": {"type": "str"},
    "core_instance_type": {"type": "str"},
    "core_count": {"type": "int"},
    "task_instance_type": {"type": "str", "default": ""},
    "task_count": {"type": "int", "default": 0},
    "idle_timeout_seconds": {"type": "int"},
    "max_lifetime_seconds": {"type": "int"},
    "termination_protected": {"type": "bool", "default": False},
    "step_concurrency_level": {"type": "int", "default": 1},
    "tags": {"type": "dict", "default": {}},
    "configurations": {"type": "list", "elements": "dict", "default": []},
    "bootstrap_actions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "args": {"type": "list", "elements": "str", "default": []},
        },
    },
    "custom_ami_id": {"type": "str", "default": ""},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip

INFO_OPTIONS: Options = {
    "cluster_id": {"type": "str"},
    "pipeline": {"type": "str"},
    "environment": {"type": "str"},
    "run_id": {"type": "str"},
    "states": {
        "type": "list",
        "elements": "str",
        "choices": [
            "STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING",
            "TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS",
        ],
        "default": ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"],
    },
    "one": {"type": "bool", "default": False},
} | _ACCOUNT_OPTIONS  # fmt: skip

STEP_OPTIONS: Options = {
    "state": {"type": "str", "choices": ["present"], "default": "present"},
    "cluster_id": {"type": "str", "required": True},
    "steps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "group": {"type": "str", "default": ""},
            "jar": {"type": "str", "required": True},
            "args": {"type": "list", "elements": "str", "default": []},
            "action_on_failure": {
                "type": "str",
                "choices": ["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"],
                "default": "CONTINUE",
            },
            "timeout_seconds": {"type": "int"},
            "outputs": {"type": "list", "elements": "str", "default": []},
        },
    },
    "wait": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 14400, "aliases": ["timeout"]},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip


def answer(module: Any, work: Callable[[Context, Any], Options]) -> None:
    """Do a module's work. Expected errors become Ansible's failure message, with kiln's exit code."""
    from kiln.aws import Boto  # noqa: PLC0415  boto3 is slow to import and tests need none

    options = module.params
    try:
        config_file = Path(options["aws_config_file"]) if options["aws_config_file"] else None
        effects = Boto(region=options["region"], profile=options["profile"], config_file=config_file)
        clock = SystemClock()
        result = work(Context(effects=Patient(effects, clock), clock=clock), module)
    except KilnError as error:
        lines = (error.message, *error.details, *([f"fix: {error.fix}"] if error.fix else []))
        module.fail_json(
            msg="\n".join(lines),
            exit_code=int(error.exit_code),
            message=error.message,
            fix=error.fix,
            details=list(error.details),
        )
    else:
        module.exit_json(**result)


def described(cluster: Cluster) -> Options:
    """Return a cluster as the modules and the driver's JSON show it."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "state": cluster.state,
        "run_id": cluster.tags.get("run_id", ""),
        "pipeline": cluster.tags.get("pipeline", ""),
        "environment": cluster.tags.get("environment", ""),
        "master_public_dns_name": cluster.master_public_dns_name,
        "release_label": cluster.release_label,
        "log_uri": cluster.log_uri,
    }


def _shape(options: Options) -> ClusterShape:
    fields = msgspec.structs.fields(ClusterShape)
    given = {field.name: options[field.name] for field in fields if options[field.name] is not None}
    given["tags"] = {key: str(value) for key, value in options["tags"].items()}
    missing = sorted(field.name for field in fields if field.required and field.name not in given)
    if missing:
        raise UsageError(f"a launch needs {', '.join(missing)}")
    try:
        return msgspec.convert(given, ClusterShape)
    except msgspec.ValidationError as error:
        raise UsageError(f"the cluster's shape is wrong: {error}") from error


def cluster(context: Context, module: Any) -> Options:
    """emr_cluster."""
    return _present(context, module) if module.params["state"] == "present" else _absent(context, module)


def _waiting(options: Options) -> clusters.Waiting:
    return clusters.Waiting(
        timeout_seconds=options["wait_timeout_seconds"], interval_seconds=options["poll_interval_seconds"]
    )


def _present(context: Context, module: Any) -> Options:
    options = module.params
    if not options["run_id"] or not options["owner"]:
        raise UsageError("a launch needs run_id and owner")
    identity = Identity(
        environment=options["environment"],
        pipeline=options["pipeline"],
        run_id=options["run_id"],
        owner=options["owner"],
    )
    shape = _shape(options)
    ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
    request = launch_request(identity, shape, context.clock.now())
    if module.check_mode:
        known = clusters.attached(context, identity, ledger)
        found, changed = known, known is None
    else:
        found, changed = clusters.launch(context, identity, shape, ledger)
        if options["wait"]:
            found = clusters.wait_until_up(context, found.id, _waiting(options))
    result: Options = {"changed": changed, "cluster": described(found) if found else {}}
    if changed:
        result |= {"request": request, "diff": {"before": {}, "after": request}}
    return result


def _absent(context: Context, module: Any) -> Options:
    options = module.params
    found = _to_end(context, options)
    if module.check_mode or not found:
        return {"changed": bool(found), "cluster": described(found[0]) if found else {}}
    for one in found:
        identity = Identity(
            environment=options["environment"],
            pipeline=options["pipeline"],
            run_id=one.tags.get("run_id", ""),
        )
        ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
        clusters.end(context, one.id, ledger, _waiting(options))
    return {"changed": True, "cluster": described(context.effects.describe_cluster(found[0].id))}


def _to_end(context: Context, options: Options) -> list[Cluster]:
    """Return the clusters that are meant: the given one, the run's, or the pipeline's only one."""
    if options["cluster_id"]:
        one = context.effects.describe_cluster(options["cluster_id"])
        return [one] if one.state in states.CLUSTER_LIVE else []
    found = clusters.find(context, options["environment"], options["pipeline"], options["run_id"])
    if len(found) > 1 and not options["run_id"]:
        clusters.only(context, options["environment"], options["pipeline"])
    return found


def cluster_info(context: Context, module: Any) -> Options:
    """emr_cluster_info."""
    options = module.params
    if options["cluster_id"]:
        found = [context.effects.describe_cluster(options["cluster_id"])]
    else:
        found = clusters.find(
            context, options["environment"], options["pipeline"], options["run_id"], options["states"]
        )
    if options["one"] and len(found) != 1:
        raise clusters.not_one(found, options["environment"], options["pipeline"], options["run_id"])
    shown = [
        described(one)
        | {
            "tags": dict(one.tags),
            "instances": [msgspec.to_builtins(node) for node in context.effects.list_instances(one.id)],
        }
        for one in found
    ]
    return {"changed": False, "clusters": shown}


def step(context: Context, module: Any) -> Options:
    """emr_step."""
    options = module.params
    try:
        wanted = msgspec.convert(
            [{key: value for key, value in one.items() if value is not None} for one in options["steps"]],
            tuple[StepSettings, ...],
        )
    except msgspec.ValidationError as error:
        raise UsageError(f"a step is wrong: {error}") from error
    ledger = _ledger_of(context, options)
    return _check_steps(context, options, wanted, ledger) if module.check_mode else _run_steps(
        context, options, wanted, ledger
    )  # fmt: skip


def _ledger_of(context: Context, options: Options) -> Ledger:
    """Return the ledger of the run that the cluster's tags name."""
    tags = context.effects.describe_cluster(options["cluster_id"]).tags
    if not tags.get("run_id"):
        raise ClusterNotFoundError(
            f"cluster {options['cluster_id']} is no cluster of kiln: it has no run_id tag"
        )
    identity = Identity(
        environment=tags.get("environment", ""),
        pipeline=tags.get("pipeline", ""),
        run_id=tags["run_id"],
        owner=tags.get("owner", ""),
    )
    return Ledger(context.effects, context.clock, options["state_uri"], identity)


def _shown_step(seen: Step) -> Options:
    return {
        "id": seen.id,
        "name": seen.name,
        "state": seen.state,
        "failure": steps.failure_text(seen).removeprefix(": "),
    }


def _check_steps(
    context: Context, options: Options, wanted: tuple[StepSettings, ...], ledger: Ledger
) -> Options:
    shown, added = [], []
    for one in wanted:
        known = steps.attached(context, options["cluster_id"], one, ledger)
        shown.append(
            _shown_step(known) if known else {"id": "", "name": one.name, "state": "", "failure": ""}
        )
        if known is None:
            added.append(msgspec.to_builtins(steps.request(one)))
    return {"changed": bool(added), "steps": shown, "diff": {"before": [], "after": added}}


def _run_steps(
    context: Context, options: Options, wanted: tuple[StepSettings, ...], ledger: Ledger
) -> Options:
    shown, added = [], []
    for one in wanted:
        seen, new = steps.add(context, options["cluster_id"], one, ledger)
        if new:
            added.append(msgspec.to_builtins(steps.request(one)))
        if options["wait"]:
            seen = steps.run_to_end(
                context,
                options["cluster_id"],
                seen,
                ledger,
                timeout_seconds=one.timeout_seconds or options["timeout_seconds"],
                interval_seconds=options["poll_interval_seconds"],
            )
        shown.append(_shown_step(seen))
    return {"changed": bool(added), "steps": shown, "diff": {"before": [], "after": added}}
