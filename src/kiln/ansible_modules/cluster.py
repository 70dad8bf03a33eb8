"""The module emr_cluster: launch the cluster of a run or find it again, or end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import advice, phases, run_ids
from kiln.ansible_modules import reach
from kiln.ansible_modules.sharing import sharing
from kiln.ansible_modules.step_rows import step_rows
from kiln.ansible_modules.working import at_work, release_lock
from kiln.diagnosis import bootstrap
from kiln.emr import clusters, descriptions, existing, finding, launch, ownership, programs, states, terminate
from kiln.emr.request import launch_request
from kiln.emr.waiting import Waiting
from kiln.errors import ClusterNotFoundError, UsageError, naming
from kiln.identity import Identity, of_name
from kiln.ledger.drivers import Work
from kiln.ledger.store import Ledger
from kiln.nodes import shared_in_s3
from kiln.runs import to_do
from kiln.settings import names, step_jars, step_needs, typed
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.model import MOST_BOOTSTRAP_ACTIONS, ClusterShape, StepSettings
from kiln.step_programs import catalogue

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


def work(context: Context, module: Any) -> Options:
    """Make sure that the cluster of a run exists, or that it is gone."""
    return _present(context, module) if module.params["state"] == "present" else _absent(context, module)


def _shape(options: Options) -> ClusterShape:
    fields = msgspec.structs.fields(ClusterShape)
    given = {field.name: options[field.name] for field in fields if options[field.name] is not None}
    given["tags"] = {key: str(value) for key, value in options["tags"].items()}
    return typed.convert(given, ClusterShape, label="emr_cluster")


def _waiting(options: Options) -> Waiting:
    return Waiting(
        timeout_seconds=options["wait_timeout_seconds"], interval_seconds=options["poll_interval_seconds"]
    )


def _present(context: Context, module: Any) -> Options:
    options = module.params
    run_id = run_ids.given(options["run_id"], {})
    if run_id is None or not options["owner"]:
        raise UsageError(
            "a launch needs run_id and owner", fix="name the run, and who is asked about its cluster"
        )
    identity = _identity(options, run_id)
    shape = _shape(options)
    wanted = typed.convert(options["existing"] or {}, ExistingCluster, label="emr_cluster", key="existing")
    if wanted.is_named:
        return _use_existing(context, module, wanted, identity)
    if not options["allow_second"]:
        _refuse_second(context, identity)
    ledger = _ledger(context, options, identity)
    place = shared_in_s3.Place(options["state_uri"], identity.environment)
    shape = _with_join_action(shape, place, identity)
    steps = [] if shape.keep_alive else _steps(context, options, ledger)
    request = launch_request(identity, shape, context.clock.now(), steps)
    if module.check_mode:
        known = launch.attached(context, identity, ledger)
        found, changed = known, known is None
    else:
        with _launching(context, ledger, options) as (own, own_ledger):
            programs.publish(own.effects, steps)
            if shape.join_action:
                shared_in_s3.publish_program(own.effects, place)
            found, changed = launch.launch(own, identity, shape, own_ledger, steps)
            if options["wait"]:
                with naming(found.id), bootstrap.explained(own, found.id):
                    shared = sharing(own, options, identity.environment)
                    found = launch.wait_until_up(shared, found.id, _waiting(options))
    result: Options = {"changed": changed, "cluster": descriptions.described(found) if found else {}}
    if changed:
        result |= {"request": request, "diff": {"before": {}, "after": request}}
    return result


def _steps(context: Context, options: Options, ledger: Ledger) -> list[StepSettings]:
    """Return the steps that are part of the launch: the named ones, else what the run has left to do."""
    rows = step_rows(options, "emr_cluster")
    # Nothing is deployed to a cluster that ends by itself: there are no files of a model repo.
    own_programs = catalogue.folder(options["state_uri"], ledger.identity.environment)
    terms = step_jars.Terms(options["region"], "", options["spark_packages_allowed"], own_programs)
    steps = step_jars.resolved(rows, terms, lambda _place: "emr_cluster")
    needs = step_needs.of(steps)
    named = set(options["launched_steps"])
    if not named:
        left = to_do.plan(context, ledger.read(), steps, needs, cluster_id=None)
        named = {one.settings.name for one in left if one.runs}
    return [one for one in step_needs.ordered(steps, needs) if one.name in named]


def _use_existing(context: Context, module: Any, wanted: ExistingCluster, identity: Identity) -> Options:
    """Let the run use a cluster in place of a launch."""
    options = module.params
    ledger = _ledger(context, options, identity)
    if module.check_mode:
        known = existing.recorded(context, ledger.read())
        found, changed = known or existing.find(context.effects, wanted, identity), known is None
    else:
        with _launching(context, ledger, options) as (own, own_ledger):
            found, changed = existing.attach(own, wanted, identity, own_ledger)
            if options["wait"] and found.state not in states.CLUSTER_UP:
                shared = sharing(own, options, identity.environment)
                found = launch.wait_until_up(shared, found.id, _waiting(options))
    message = f"{existing.described(found, wanted)}: not launched, and it stays"
    diff = {"before": {}, "after": {"cluster_id": found.id}} if changed else {}
    shown = descriptions.described_for(found, identity)
    return {"changed": changed, "cluster": shown, "message": message} | ({"diff": diff} if diff else {})


def _with_join_action(shape: ClusterShape, place: shared_in_s3.Place, identity: Identity) -> ClusterShape:
    """Return the shape with the bootstrap action for nodes that join later, as the last one."""
    if not shape.join_action:
        return shape
    if len(shape.bootstrap_actions) >= MOST_BOOTSTRAP_ACTIONS:
        raise UsageError(
            f"emr_cluster_bootstrap_actions has {len(shape.bootstrap_actions)} actions, and EMR takes "
            f"{MOST_BOOTSTRAP_ACTIONS} with that of emr_cluster_join_action",
            fix="join two of them, or set emr_cluster_join_action to false",
        )
    own = shared_in_s3.join_action(place, identity.pipeline, identity.run_id)
    return msgspec.structs.replace(shape, bootstrap_actions=(*shape.bootstrap_actions, own))


def _launching(
    context: Context, ledger: Ledger, options: Options
) -> AbstractContextManager[tuple[Context, Ledger]]:
    return at_work(
        context,
        ledger,
        Work([phases.LAUNCH.name], begins_anew=True),
        limits=_waiting(options),
        most=0 if options["allow_second"] else 1,
        kill=reach.killer(options),
    )


def _refuse_second(context: Context, identity: Identity) -> None:
    """Refuse a launch while another run of the pipeline has a cluster in this environment."""
    whose = (identity.environment, identity.pipeline)
    live = clusters.listed(context, *whose, None, states.CLUSTER_USABLE)
    others = [one for one in live if (of := of_name(one.name)) and of.run_id != identity.run_id]
    if others:
        end = advice.action(phases.TERMINATE.name, *whose, by_hand=context.by_hand)
        run = advice.run_option(by_hand=context.by_hand)
        raise ClusterNotFoundError(
            f"pipeline {identity.pipeline} in {identity.environment} has a live cluster already",
            fix=f"go on with it by {run}, end it by {end}, "
            "or launch a second one by -e emr_cluster_allow_second=true",
            details=tuple(descriptions.line(one) for one in others),
        )


def _identity(options: Options, run_id: str) -> Identity:
    return Identity(
        environment=names.check("environment", options["environment"]),
        pipeline=names.check("pipeline", options["pipeline"]),
        run_id=run_id,
        owner=options["owner"] or "",
    )


def _ledger(context: Context, options: Options, identity: Identity) -> Ledger:
    return Ledger(context.effects, context.clock, options["state_uri"], identity)


def _absent(context: Context, module: Any) -> Options:
    options = module.params
    identity = _meant(context, options)
    if identity is None:
        return {"changed": False, "cluster": {}}
    ledger = _ledger(context, options, identity)
    if module.check_mode:
        found = terminate.would_end(context, identity, ledger, _waiting(options))
    else:
        limits, kill = _waiting(options), reach.killer(options)
        found = tuple(terminate.end_run(context, identity, ledger, limits, kill=kill))
        release_lock(context, ledger, limits)
    if not found:
        return {"changed": False, "cluster": {}}
    diff = {
        "before": {one.id: {"name": one.name, "state": "live"} for one in found},
        "after": {one.id: {"name": one.name, "state": "ended"} for one in found},
    }
    return {"changed": True, "cluster": descriptions.described(found[0]), "diff": diff}


def _meant(context: Context, options: Options) -> Identity | None:
    """Return the run that is meant: by its id, by its cluster, or as the pipeline's only live one."""
    run_id = run_ids.given(options["run_id"], {})
    if options["cluster_id"]:
        return _given(context, options, run_id)
    if run_id is not None:
        return _identity(options, run_id)
    whose = (options["environment"], options["pipeline"])
    return finding.run_of_only(context, clusters.listed(context, *whose), *whose)


def _given(context: Context, options: Options, run_id: str | None) -> Identity | None:
    """Return the run of the given cluster, if it is live; refuse one that the other options contradict."""
    one = context.effects.describe_cluster(options["cluster_id"])
    of = ownership.identity_of(one)
    if of is None:
        raise ClusterNotFoundError(
            f"cluster {one.id} is not Kiln's by its name and its tags",
            fix="leave cluster_id out and name the run: its ledger may know the cluster",
            details=(descriptions.line(one),),
        )
    asked = {"pipeline": options["pipeline"], "environment": options["environment"], "run_id": run_id}
    wrong = [
        f"its {key} is {getattr(of, key)!r}, not {value!r}"
        for key, value in asked.items()
        if value not in {None, getattr(of, key)}
    ]
    if wrong:
        raise ClusterNotFoundError(
            f"cluster {one.id} is another one than the options say: {'; '.join(wrong)}",
            fix="correct the option, give the id of another cluster, or leave cluster_id out",
            details=(descriptions.line(one),),
        )
    return of if one.state in states.CLUSTER_LIVE else None
