"""Every member of RunJobFlow is acted on, shown, or refused by its name: none is dropped silently."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws import protocol
from emrbox.aws.errors import AwsError
from emrbox.emr.api.launch_members import INSTANCES, TOP, Use, refused

# These name a release in another way, of which exactly one is to be given.
RELEASES_BEFORE = {"AmiVersion", "HadoopVersion"}


def members_of(shape: str) -> dict[str, Any]:
    model: Any = protocol.service_model("emr").shape_for(shape)
    return dict(model.members)


def sample(shape: Any) -> Any:
    """A value that fits a shape."""
    if shape.type_name == "structure":
        return {name: sample(shape.members[name]) for name in shape.required_members or shape.members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {"a": sample(shape.value)}
    by_type = {
        "boolean": True,
        "integer": 1,
        "string": (shape.enum or ["text"])[0] if hasattr(shape, "enum") else "",
    }
    return by_type[shape.type_name]


def test_every_member_of_the_model_has_a_row() -> None:
    assert set(TOP) == set(members_of("RunJobFlowInput"))
    assert set(INSTANCES) == set(members_of("JobFlowInstancesConfig"))


@pytest.mark.parametrize("name", refused(TOP))
def test_what_is_refused_is_named(emr: Any, name: str) -> None:
    value = sample(members_of("RunJobFlowInput")[name])
    message = "exactly one of release label" if name in RELEASES_BEFORE else f"{name} is not available"
    with pytest.raises(AwsError, match=message):
        emr.launch(**{name: value})


@pytest.mark.parametrize("name", refused(INSTANCES))
def test_what_is_refused_of_instances_is_named(emr: Any, name: str) -> None:
    assert name in RELEASES_BEFORE
    with pytest.raises(AwsError, match="exactly one of release label"):
        emr.launch(Instances={name: "2.4"})


@pytest.mark.parametrize("name", [n for n, one in TOP.items() if one.use in {Use.SHOWN, Use.NO_EFFECT}])
def test_what_is_shown_is_in_the_clusters_description(emr: Any, name: str) -> None:
    value = 20 if name == "EbsRootVolumeSize" else sample(members_of("RunJobFlowInput")[name])
    assert emr.cluster(emr.launch(**{name: value}))[name] == value


def test_security_groups_of_a_launch_are_in_the_clusters_description(emr: Any) -> None:
    named = {name: "sg-1" for name in INSTANCES if name.endswith("SecurityGroup")}
    assert len(named) == 3
    shown = emr.cluster(emr.launch(Instances=named))["Ec2InstanceAttributes"]
    assert named.items() <= shown.items()
