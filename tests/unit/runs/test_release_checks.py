"""What a cluster is launched with, against what EMR has in the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes import driver, shape

from kiln.errors import AwsError, UsageError
from kiln.runs import preflight, release_checks, selection
from kiln.settings.ansible_values import Question
from kiln.settings.model import Alternative, StepSettings

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeAws

    from kiln.settings.model import Driver


def settings(**changes: Any) -> Driver:
    return driver(kiln_cache_dir="/nowhere/cache", **changes)


def refused(aws: FakeAws, alternatives: tuple[Alternative, ...] = (), **changes: Any) -> list[str]:
    """Return the lines about a launch that EMR would refuse."""
    with pytest.raises(UsageError) as error:
        release_checks.check(aws, settings(kiln_alternatives=alternatives), shape(**changes))
    assert error.value.fix
    return [error.value.message, *error.value.details]


def test_what_emr_has_passes_in_any_case_of_the_letters(aws: FakeAws) -> None:
    release_checks.check(aws, settings(), shape(applications=("spark", "HADOOP")))


def test_a_release_that_the_region_does_not_have_is_refused(aws: FakeAws) -> None:
    (line,) = refused(aws, release_label="emr-7.99.0", applications=("Nothing",))
    assert line == "emr_cluster_release_label is emr-7.99.0: EMR has no such release in us-east-1"


def test_an_application_that_the_release_does_not_have_is_refused_with_those_that_it_has(
    aws: FakeAws,
) -> None:
    (line,) = refused(aws, applications=("Spark", "Hue"))
    assert line == "emr_cluster_applications[1] is Hue: emr-spark-8.0.0 does not have it"


def test_each_instance_type_that_the_release_does_not_run_on_is_named(aws: FakeAws) -> None:
    lines = refused(
        aws,
        (Alternative(), Alternative(core_instance_type="q9.huge")),
        master_instance_type="m5.xlarg",
        task_instance_type="q8.huge",
        task_count=1,
    )
    said = "emr_cluster_master_instance_type is m5.xlarg: emr-spark-8.0.0 does not run on it in us-east-1"
    assert lines[0] == f"{said} (did you mean m5.xlarge?)"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "emr_cluster_task_instance_type is q8.huge",
        "kiln_alternatives[1].core_instance_type is q9.huge",
    ]


def test_the_type_of_nodes_that_are_not_launched_does_not_matter(aws: FakeAws) -> None:
    release_checks.check(aws, settings(), shape(core_count=0, core_instance_type="q9.huge"))


def answers_with(monkeypatch: pytest.MonkeyPatch, aws: FakeAws, code: str) -> None:
    def answer(_: str) -> None:
        raise AwsError("no", code=code, operation="DescribeReleaseLabel")

    monkeypatch.setattr(aws, "release_applications", answer)


def test_who_may_not_ask_passes(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    answers_with(monkeypatch, aws, "AccessDeniedException")
    release_checks.check(aws, settings(), shape(release_label="emr-7.99.0"))


def test_another_error_of_aws_is_raised(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    answers_with(monkeypatch, aws, "InternalServerException")
    with pytest.raises(AwsError):
        release_checks.check(aws, settings(), shape())


def checked(aws: FakeAws, root: Path, *actions: str) -> None:
    """Make the checks of actions whose launch would have an unknown release."""
    steps = (StepSettings(name="sd", jar="j"),)
    question = Question(root=root, environment="local", pipeline="daily")
    subject = preflight.Subject(
        question=question, driver=settings(steps=steps), shape=shape(release_label="emr-7.99.0"), effects=aws
    )
    preflight.check(subject, selection.make(actions, steps))


@pytest.mark.parametrize("actions", [["launch"], []])
def test_a_launch_is_refused_before_it(aws: FakeAws, tmp_path: Path, actions: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^emr_cluster_release_label is"):
        checked(aws, tmp_path, *actions)


def test_steps_do_not_ask_what_releases_there_are(aws: FakeAws, tmp_path: Path) -> None:
    checked(aws, tmp_path, "sd")
    assert "release_applications" not in aws.calls
