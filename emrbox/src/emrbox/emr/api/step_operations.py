"""EMR's operations on steps: each takes the store and a request that fits the model, and answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.emr.api import history, validation, views
from emrbox.emr.api.launch_request import new_step
from emrbox.emr.api.paging import page
from emrbox.emr.life import states
from emrbox.emr.life.states import StepState

if TYPE_CHECKING:
    from emrbox.emr.life.model import Step
    from emrbox.emr.life.store import Clusters, Store

Document = dict[str, Any]
OVER = "A job flow that is shutting down, terminated, or finished may not be modified."
MAXIMUM_STEP_IDS = 10
MAXIMUM_CANCELLATIONS = 256


def add_job_flow_steps(store: Store, request: Document) -> Document:
    """Queue steps; allowed from STARTING on (docs/aws_facts.md 1.5)."""
    cluster = store.job_flow(request["JobFlowId"])
    with cluster.lock:
        if cluster.status.state not in states.CLUSTER_LIVE:
            raise validation_error(OVER)
        active = len(cluster.active_steps)
        validation.check_steps(
            request["Steps"],
            active=active,
            concurrency=cluster.step_concurrency,
            is_hollow=cluster.is_hollow,
        )
        steps = [new_step(step, store.now(cluster)) for step in request["Steps"]]
        cluster.steps.extend(steps)
        for step in steps:
            cluster.announce(step, None, store.now(cluster))
        cluster.wake()
    return {"StepIds": [step.id for step in steps]}


def list_steps(clusters: Clusters, request: Document) -> Document:
    """Return a cluster's steps, newest first, by state or by up to ten ids, 50 a page."""
    cluster = clusters.cluster(request["ClusterId"])
    wanted, step_ids = set(request.get("StepStates", [])), request.get("StepIds", [])
    if wanted and step_ids:
        raise invalid_request("Cannot specify both StepIds and StepStates.")
    if len(step_ids) > MAXIMUM_STEP_IDS:
        raise invalid_request(f"The maximum number of step IDs is {MAXIMUM_STEP_IDS}.")

    def is_wanted(step: Step) -> bool:
        return (not wanted or step.status.state in wanted) and (not step_ids or step.id in step_ids)

    with cluster.lock:
        newest_first = history.steps(cluster, clusters.now(cluster))[::-1]
        known = {step.id for step in newest_first}
        for step_id in step_ids:
            if step_id not in known:
                raise invalid_request(f"Step id '{step_id[:60]}' is not valid.")
        shown, marker = page(newest_first, request.get("Marker"), lambda s: s.id, wanted=is_wanted)
        return views.present({"Steps": [views.step_document(step) for step in shown], "Marker": marker})


def describe_step(clusters: Clusters, request: Document) -> Document:
    """Everything about one step."""
    cluster = clusters.cluster(request["ClusterId"])
    with cluster.lock:
        for step in history.steps(cluster, clusters.now(cluster)):
            if step.id == request["StepId"]:
                return {"Step": views.step_document(step)}
    raise invalid_request(f"Step id '{request['StepId'][:60]}' is not valid.")


def cancel_steps(store: Store, request: Document) -> Document:
    """Ask steps to stop; one answer a step, SUBMITTED or FAILED with the reason (docs/aws_facts.md 1.5)."""
    cluster = store.cluster(request["ClusterId"])
    step_ids = request["StepIds"]
    if not 1 <= len(step_ids) <= MAXIMUM_CANCELLATIONS:
        raise invalid_request(f"Between 1 and {MAXIMUM_CANCELLATIONS} step IDs are required.")
    option = request.get("StepCancellationOption", "SEND_INTERRUPT")
    with cluster.lock:
        by_id = {step.id: step for step in cluster.steps}
        for step_id in step_ids:
            if step_id not in by_id:
                raise invalid_request(f"Step id '{step_id[:60]}' is not valid.")
        answers = []
        for step_id in step_ids:
            reason = _refusal(by_id[step_id])
            if reason is None:
                store.engine(cluster).stepping.cancel(by_id[step_id], option, store.now(cluster))
            status = "SUBMITTED" if reason is None else "FAILED"
            answers.append(views.present({"StepId": step_id, "Status": status, "Reason": reason}))
    return {"CancelStepsInfoList": answers}


def _refusal(step: Step) -> str | None:
    state = step.status.state
    if state in {StepState.PENDING, StepState.RUNNING, StepState.CANCEL_PENDING}:
        return None
    # Guess: the model has a place for the reason; its words are not documented.
    return f"Step is in the {state} state and cannot be cancelled."
