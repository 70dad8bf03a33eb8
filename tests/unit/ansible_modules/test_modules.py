from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape

from kiln.ansible_modules import cluster, cluster_info, deployed, options, report, rollback, step
from kiln.errors import ClusterNotFoundError, KilnError, NotTerminatedError, StepFailedError, UsageError
from kiln.settings.model import ClusterShape, StepSettings

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context

CHECKOUT = Path(__file__).resolve().parents[3]
SPECS = {
    "emr_cluster": options.CLUSTER,
    "emr_cluster_info": options.CLUSTER_INFO,
    "emr_step": options.STEP,
    "emr_deployed": options.DEPLOYED,
    "model_repo_rollback": options.ROLLBACK,
    "node_image": options.NODE_IMAGE,
}


class Module:
    """What AnsibleModule would be with these options."""

    def __init__(self, spec: dict[str, Any], given: dict[str, Any], *, check_mode: bool = False) -> None:
        self.params = {name: option.get("default") for name, option in spec.items()} | given
        self.check_mode = check_mode


ACCOUNT = {"region": "us-east-1", "state_uri": "s3://state/kiln"}
RUN: dict[str, Any] = {"pipeline": "model_building", "environment": "local", "run_id": "r1", "owner": "ops"}


def launch(context: Context, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    wanted = {key: value for key, value in msgspec.to_builtins(shape()).items() if value is not None}
    given = ACCOUNT | RUN | wanted | {"poll_interval_seconds": 5.0} | changes
    return cluster.work(context, Module(options.CLUSTER, given, check_mode=check_mode))


def end(context: Context, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    given = ACCOUNT | RUN | {"state": "absent"} | changes
    return cluster.work(context, Module(options.CLUSTER, given, check_mode=check_mode))


def steps(context: Context, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    wanted = [{"name": "sd", "jar": "command-runner.jar", "args": ["true"], "timeout_seconds": None}]
    given = ACCOUNT | {"cluster_id": "j-0001", "steps": wanted} | changes
    return step.work(context, Module(options.STEP, given, check_mode=check_mode))


def test_present_launches_once_and_waits(context: Context, aws: FakeAws) -> None:
    first, again = launch(context), launch(context)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["cluster"]["state"] == again["cluster"]["state"] == "WAITING"
    assert first["request"]["Name"] == "kiln-local-model_building-r1"
    assert len(aws.clusters) == 1


def test_check_mode_shows_the_request_and_launches_nothing(context: Context, aws: FakeAws) -> None:
    result = launch(context, check_mode=True)
    assert result["changed"] is True
    assert result["diff"]["after"]["ReleaseLabel"] == "emr-spark-8.0.0"
    assert (aws.clusters, aws.objects) == ({}, {})


def test_what_a_launch_needs_is_required_with_state_present() -> None:
    ((option, value, required),) = options.CLUSTER_REQUIRED_IF
    assert (option, value) == ("state", "present")
    fields = msgspec.structs.fields(ClusterShape)
    needed = {f.name for f in fields if f.required and "default" not in options.CLUSTER[f.name]}
    assert set(required) == needed | {"run_id", "owner"}


def test_an_incomplete_shape_says_what_is_missing(context: Context) -> None:
    with pytest.raises(UsageError, match="emr_cluster: there is no log_uri"):
        launch(context, log_uri=None)


@pytest.mark.parametrize("run_id", ["a/b", "", "-x", "x" * 151])
def test_a_run_id_that_cannot_be_one_launches_nothing(context: Context, aws: FakeAws, run_id: str) -> None:
    with pytest.raises(UsageError, match="run id"):
        launch(context, run_id=run_id)
    assert aws.clusters == {}


def test_a_wrong_value_is_named_with_its_place(context: Context) -> None:
    with pytest.raises(UsageError, match="emr_cluster: core_count is -1: expected a whole number >= 0"):
        launch(context, core_count=-1)
    launch(context)
    with pytest.raises(UsageError, match=r"emr_step: steps\[0\]\.name is 'S D': expected small letters"):
        steps(context, steps=[{"name": "S D", "jar": "j"}])


def test_a_step_is_added_with_what_its_kind_gives(context: Context) -> None:
    launch(context)
    spark = {"script": "jobs/sd.py", "options": {"date": "2026-11-20"}, "args": None}
    wanted = [{"name": "sd", "spark": {key: value for key, value in spark.items() if value}, "jar": ""}]
    answer = steps(context, steps=wanted, check_mode=True, model_repo_name="team")
    (added,) = answer["diff"]["after"]["steps"]
    assert added["jar"] == "command-runner.jar"
    assert list(added["args"])[-3:] == ["/opt/kiln/models/team/current/jobs/sd.py", "--date", "2026-11-20"]
    with pytest.raises(UsageError, match="a path in the model repo, and the pipeline has none"):
        steps(context, steps=wanted, check_mode=True)


def test_absent_ends_the_cluster_and_succeeds_when_it_is_gone(context: Context, aws: FakeAws) -> None:
    launch(context)
    assert end(context, check_mode=True)["changed"] is True
    assert aws.live() == ["j-0001"]
    assert end(context)["cluster"]["state"] == "TERMINATED"
    assert end(context) == {"changed": False, "cluster": {}}


def test_absent_without_a_run_refuses_to_choose_between_two(context: Context, aws: FakeAws) -> None:
    launch(context)
    launch(context, run_id="r2")
    with pytest.raises(ClusterNotFoundError) as error:
        end(context, run_id=None)
    assert len(error.value.details) == 2
    assert len(aws.live()) == 2


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("problem", ["disputed", "unseen"])
def test_absent_reports_what_it_may_not_end_in_check_mode_too(
    context: Context, aws: FakeAws, problem: str, *, check_mode: bool
) -> None:
    launch(context)
    if problem == "disputed":
        aws.objects.clear()
        retag(aws, pipeline="other")
    else:
        aws.clusters.clear()
    with pytest.raises(NotTerminatedError, match="j-0001"):
        end(context, check_mode=check_mode)
    assert "TerminateJobFlows" not in aws.calls


@pytest.mark.parametrize(
    ("option", "value"), [("pipeline", "other"), ("environment", "prod"), ("run_id", "r2")]
)
def test_absent_by_id_names_what_contradicts_the_cluster(
    context: Context, aws: FakeAws, option: str, value: str
) -> None:
    launch(context)
    with pytest.raises(ClusterNotFoundError) as error:
        end(context, cluster_id="j-0001", check_mode=False, **{option: value})
    assert f"its {option} is {RUN[option]!r}, not {value!r}" in error.value.message
    assert aws.live() == ["j-0001"]
    assert end(context, cluster_id="j-0001")["changed"] is True


def test_absent_by_id_refuses_a_cluster_whose_tags_do_not_confirm_its_name(
    context: Context, aws: FakeAws
) -> None:
    launch(context)
    retag(aws, pipeline="other")
    with pytest.raises(ClusterNotFoundError, match="j-0001 is not Kiln's by its name and its tags"):
        end(context, cluster_id="j-0001", run_id=None)
    assert aws.live() == ["j-0001"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_launch_can_refuse_to_be_the_second(context: Context, aws: FakeAws, *, check_mode: bool) -> None:
    launch(context, allow_second=False)
    with pytest.raises(ClusterNotFoundError) as error:
        launch(replace(context, by_hand=True), run_id="r2", allow_second=False, check_mode=check_mode)
    assert "model_building in local has a live cluster already" in error.value.message
    assert "j-0001" in error.value.details[0]
    assert "-e run_id=ID" in error.value.fix
    assert "playbooks/terminate.yml -e pipeline=model_building" in error.value.fix
    assert "-e emr_cluster_allow_second=true" in error.value.fix
    assert aws.live() == ["j-0001"]
    # The same run again, another pipeline, and whoever asks for a second one.
    assert launch(context, allow_second=False)["changed"] is False
    assert launch(context, pipeline="other", allow_second=False)["changed"] is True
    assert launch(context, run_id="r2")["changed"] is True


def test_a_cluster_that_is_ending_does_not_stop_a_launch(context: Context, aws: FakeAws) -> None:
    launch(context)
    aws.terminate_cluster("j-0001")
    assert launch(context, run_id="r2", allow_second=False)["changed"] is True


@pytest.mark.parametrize(
    ("by_hand", "advice"),
    [
        (True, "-i inventory/local playbooks/launch.yml -e pipeline=model_building -e run_id=r9"),
        (False, "run model_building launch --env local --run-id r9"),
    ],
)
def test_errors_advise_the_command_of_who_asked(context: Context, advice: str, *, by_hand: bool) -> None:
    given = RUN | {"one": True, "run_id": "r9"}
    with pytest.raises(ClusterNotFoundError) as error:
        cluster_info.work(replace(context, by_hand=by_hand), Module(options.CLUSTER_INFO, given))
    assert error.value.fix.endswith(advice)


def test_a_diff_is_made_of_dictionaries(context: Context) -> None:
    """Ansible shows dictionaries and text; a list of steps is a warning and no diff."""
    answers = [launch(context, check_mode=True), launch(context)]
    answers += [steps(context, check_mode=True), steps(context)]
    answers += [end(context, check_mode=True), end(context)]
    for answer in answers:
        assert answer["changed"]
        assert {type(side) for side in answer["diff"].values()} == {dict}
        assert answer["diff"]["before"] != answer["diff"]["after"]
    assert list(answers[-1]["diff"]["before"]) == ["j-0001"]


def test_info_lists_clusters_with_their_nodes(context: Context) -> None:
    launch(context)
    result = cluster_info.work(context, Module(options.CLUSTER_INFO, RUN | {"one": True}))
    (found,) = result["clusters"]
    assert (found["id"], found["run_id"], found["instances"]) == ("j-0001", "r1", [])
    with pytest.raises(ClusterNotFoundError):
        cluster_info.work(context, Module(options.CLUSTER_INFO, RUN | {"one": True, "run_id": "r9"}))


def test_a_step_is_added_once_a_run(context: Context, aws: FakeAws) -> None:
    launch(context)
    checked = steps(context, check_mode=True)
    assert (checked["changed"], checked["steps"][0]["id"]) == (True, "")
    first, again = steps(context), steps(context)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["steps"] == again["steps"]
    assert aws.calls.count("AddJobFlowSteps") == 1


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("state", ["RUNNING", "COMPLETED"])
def test_a_step_with_other_arguments_is_refused_with_the_difference(
    context: Context, aws: FakeAws, state: str, *, check_mode: bool
) -> None:
    launch(context)
    args = ["spark-submit", "sd.py", "--date", "2026-11-20"]
    wanted = [{"name": "sd", "jar": "command-runner.jar", "args": args}]
    steps(context, steps=wanted, wait=state == "COMPLETED")
    other = [wanted[0] | {"args": [*args[:-1], "2026-11-21"]}]
    with pytest.raises(UsageError) as error:
        steps(context, steps=other, check_mode=check_mode)
    assert "step sd of this run" in error.value.message
    assert "with other arguments" in error.value.message
    assert error.value.details == ("- 2026-11-20", "+ 2026-11-21")
    assert aws.calls.count("AddJobFlowSteps") == 1


def test_the_difference_of_many_like_arguments_is_shown_at_once(context: Context) -> None:
    launch(context)
    wanted = {"name": "sd", "jar": "command-runner.jar"}
    before = [f"s3://data/2026-11-20/part-{number:04}" for number in range(300)]
    steps(context, steps=[wanted | {"args": before}])
    now = [one.replace("20/", "21/") for one in before]
    started = time.monotonic()
    with pytest.raises(UsageError) as error:
        steps(context, steps=[wanted | {"args": now}])
    assert time.monotonic() - started < 5
    assert error.value.details[:2] == (f"- {before[0]}", f"+ {now[0]}")
    assert error.value.details[-1] == "and 580 more"


def test_a_step_that_failed_is_added_again_with_other_arguments(context: Context, aws: FakeAws) -> None:
    launch(context)
    aws.step_outcomes["sd"] = "FAILED"
    with pytest.raises(StepFailedError):
        steps(context)
    aws.step_outcomes.clear()
    wanted = [{"name": "sd", "jar": "command-runner.jar", "args": ["other"]}]
    assert steps(context, steps=wanted)["changed"] is True


def test_a_cluster_that_is_not_kilns_gets_no_steps(context: Context, aws: FakeAws) -> None:
    launch(context)
    aws.clusters["j-0001"].request = dict(aws.clusters["j-0001"].request) | {"Tags": []}
    with pytest.raises(ClusterNotFoundError, match="no cluster of Kiln's"):
        steps(context)


def test_steps_of_a_graph_run_side_by_side_as_the_cluster_allows(context: Context, aws: FakeAws) -> None:
    launch(context, step_concurrency_level=2)
    wanted: list[dict[str, Any]] = [{"name": name, "jar": "command-runner.jar"} for name in ("a", "b", "c")]
    wanted[2]["needs"] = ["a", "b"]
    assert [one["state"] for one in steps(context, steps=wanted)["steps"]] == ["COMPLETED"] * 3
    first, second, third = aws.clusters["j-0001"].steps
    assert second.created < first.created + first.seconds
    assert third.created >= second.created + second.seconds


def test_steps_that_no_cluster_could_run_are_refused_before_anything_is_added(
    context: Context, aws: FakeAws
) -> None:
    launch(context, step_concurrency_level=2)
    wanted = {"name": "sd", "jar": "j"}
    with pytest.raises(UsageError, match=r"emr_step: steps\[0\] \(sd\).needs names sdd"):
        steps(context, steps=[wanted | {"needs": ["sdd"]}])
    with pytest.raises(UsageError, match="EMR refuses it with"):
        steps(context, steps=[wanted | {"action_on_failure": "CANCEL_AND_WAIT"}])
    with pytest.raises(UsageError, match="wait is false"):
        steps(context, steps=[wanted, wanted | {"name": "cdd"}], wait=False)
    assert aws.clusters["j-0001"].steps == []


def test_steps_are_added_at_once_in_the_order_of_their_needs(context: Context, aws: FakeAws) -> None:
    launch(context)
    wanted = [{"name": "b", "jar": "j", "needs": ["a"]}, {"name": "a", "jar": "j"}]
    answer = steps(context, steps=wanted, wait=False)
    assert [one["name"] for one in answer["steps"]] == ["a", "b"]
    assert [one.request.name for one in aws.clusters["j-0001"].steps] == ["a", "b"]


def test_a_complete_step_runs_again_when_asked_for(context: Context, aws: FakeAws) -> None:
    launch(context)
    steps(context)
    other = [{"name": "sd", "jar": "command-runner.jar", "args": ["other"]}]
    with pytest.raises(UsageError) as error:
        steps(replace(context, by_hand=True), steps=other)
    assert "-e emr_steps_again=true" in error.value.fix
    assert steps(context, steps=other, again=True, check_mode=True)["changed"] is True
    assert steps(context, steps=other, again=True)["changed"] is True
    assert len(aws.clusters["j-0001"].steps) == 2


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_deployed_is_remembered_once(context: Context, aws: FakeAws, *, check_mode: bool) -> None:
    launch(context)
    given = ACCOUNT | RUN | {"cluster_id": "j-0001", "commit": "a" * 40, "instances": ["i-1"]}
    given.pop("owner")
    module = Module(options.DEPLOYED, given, check_mode=check_mode)
    written = aws.calls.count("PutObject")
    assert deployed.work(context, module)["changed"] is True
    assert deployed.work(context, module)["changed"] is check_mode
    assert aws.calls.count("PutObject") == written + (not check_mode)
    tagged = aws.clusters["j-0001"].tags.get("code_commit")
    assert tagged == (None if check_mode else "a" * 40)
    assert aws.calls.count("AddTags") == (not check_mode)


def node(*commits: str) -> list[dict[str, str]]:
    """Return what ansible.builtin.find says of a node with these releases."""
    return [
        {
            "path": f"/opt/kiln/models/model_repo/releases/{commit}/.kiln-release",
            "checksum": hashlib.sha256(commit.encode()).hexdigest(),
        }
        for commit in commits
    ]


def test_a_rollback_goes_by_the_ledger_of_the_run(context: Context) -> None:
    launch(context)
    run = {name: value for name, value in RUN.items() if name != "owner"}
    old, new = "a" * 40, "b" * 40
    for commit in (old, new):
        given = {"cluster_id": "j-0001", "commit": commit, "instances": ["i-1"]}
        deployed.work(context, Module(options.DEPLOYED, ACCOUNT | run | given))
    nodes = {"10.0.0.1": node(old, new), "10.0.0.2": node(new, old)}
    given = ACCOUNT | run | {"cluster_id": "j-0001", "nodes": nodes}
    assert rollback.work(context, Module(options.ROLLBACK, given)) == {"changed": False, "commit": old}
    given = given | {"release": new[:7]}
    assert rollback.work(context, Module(options.ROLLBACK, given))["commit"] == new


@pytest.fixture(scope="module")
def documentation() -> dict[str, Any]:
    """Read all of it as `ansible-doc` shows it: with what the documentation fragments hold."""
    reported = subprocess.run(
        [Path(sys.executable).parent / "ansible-doc", "-t", "module", "-j", *SPECS],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(reported.stdout))


def assert_same(documented: dict[str, Any], options: dict[str, Any]) -> None:
    assert set(documented) == set(options)
    for name, option in options.items():
        reported = documented[name]
        for key in ("type", "default", "choices", "elements", "required", "aliases"):
            assert reported.get(key) == option.get(key), (name, key)
        if "options" in option:
            assert_same(reported["suboptions"], option["options"])


@pytest.mark.processes
@pytest.mark.parametrize("name", SPECS)
def test_the_documentation_has_the_options_that_there_are(name: str, documentation: dict[str, Any]) -> None:
    documented = documentation[name]
    assert_same(documented["doc"]["options"], SPECS[name])
    assert documented["doc"]["author"]
    assert documented["examples"]
    failed = set(report.failure(KilnError("x"))) - {"failed", "msg"}
    assert failed <= set(documented["return"])
    assert documented["doc"]["requirements"]


def test_the_modules_know_every_setting_of_the_model() -> None:
    assert {field.name for field in msgspec.structs.fields(ClusterShape)} <= set(options.CLUSTER)
    step_options = set(options.STEP["steps"]["options"])
    assert {field.name for field in msgspec.structs.fields(StepSettings)} == step_options


def test_absent_by_id_refuses_a_cluster_of_another_pipeline_or_environment(
    context: Context, aws: FakeAws
) -> None:
    launch(context)
    others: list[dict[str, Any]] = [{"pipeline": "other"}, {"environment": "prod"}]
    for other in others:
        with pytest.raises(ClusterNotFoundError, match="j-0001"):
            end(context, cluster_id="j-0001", run_id=None, **other)
    assert aws.live() == ["j-0001"]
    assert end(context, cluster_id="j-0001", run_id=None)["changed"] is True


def retag(aws: FakeAws, **changes: str | None) -> None:
    cluster = aws.clusters["j-0001"]
    tags = {tag["Key"]: tag["Value"] for tag in cluster.request["Tags"]} | changes
    kept = [{"Key": key, "Value": value} for key, value in tags.items() if value is not None]
    cluster.request = dict(cluster.request) | {"Tags": kept}


@pytest.mark.parametrize("run_id", [None, "r2", "{{ lookup('pipe', 'id') }}", "../../x"])
def test_the_name_says_which_run_it_is_whatever_the_tag_says(
    context: Context, aws: FakeAws, run_id: str | None
) -> None:
    launch(context)
    steps(context)
    retag(aws, run_id=run_id)
    assert steps(context)["changed"] is False
    assert [uri for uri in aws.objects if "/ledger/" in uri and not uri.endswith("/r1.json")] == []
    found = cluster_info.work(context, Module(options.CLUSTER_INFO, RUN | {"one": True, "run_id": None}))
    assert found["clusters"][0]["run_id"] == "r1"
    assert end(context, run_id=None)["cluster"]["state"] == "TERMINATED"


@pytest.mark.parametrize("tag", ["managed_by", "environment", "pipeline"])
def test_a_cluster_whose_tags_deny_it_gets_no_steps_and_is_ended_by_its_ledger(
    context: Context, aws: FakeAws, tag: str
) -> None:
    launch(context)
    retag(aws, **{tag: "other"})
    with pytest.raises(ClusterNotFoundError, match="no cluster of Kiln's"):
        steps(context)
    with pytest.raises(ClusterNotFoundError, match="contradict"):
        cluster_info.work(context, Module(options.CLUSTER_INFO, RUN | {"one": True, "run_id": None}))
    assert end(context, run_id=None)["cluster"]["state"] == "TERMINATED"


@pytest.mark.parametrize("tag", ["managed_by", "environment", "pipeline"])
def test_an_end_without_run_id_does_not_overlook_what_only_has_the_name(
    context: Context, aws: FakeAws, tag: str
) -> None:
    launch(context)
    retag(aws, **{tag: None})
    aws.objects.clear()
    with pytest.raises(NotTerminatedError, match="j-0001"):
        end(context, run_id=None)


@pytest.mark.parametrize("name", ["Local", "a b", "../x", "{{ x }}", ""])
def test_names_that_are_none_reach_no_ledger(context: Context, aws: FakeAws, name: str) -> None:
    changes: list[dict[str, Any]] = [{"environment": name}, {"pipeline": name}]
    for change in changes:
        with pytest.raises(UsageError, match=next(iter(change))):
            launch(context, **change)
    assert (aws.clusters, aws.objects) == ({}, {})
