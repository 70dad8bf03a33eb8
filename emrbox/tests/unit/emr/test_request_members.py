"""Every member of launches and changes is acted on, shown, or refused by name: none is dropped silently."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import emrbox.emr
from emrbox.aws import protocol
from emrbox.aws.errors import AwsError
from emrbox.emr.api.request_members import OPERATIONS, SHAPES, Use

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL: Any = protocol.service_model("emr")
# These name a release in another way, of which exactly one is to be given.
RELEASES_BEFORE = {"AmiVersion", "HadoopVersion"}
INVENTED = {
    "EbsRootVolumeIops": 4000,
    "EbsRootVolumeSize": 20,
    "EbsRootVolumeThroughput": 200,
    "LogEncryptionKmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/mine",
    "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
}


def structures(shape: Any, above: tuple[str, ...] = ()) -> Iterator[Any]:
    """Give every structure of a request, but for what lies below members that are refused."""
    if shape.type_name == "list":
        yield from structures(shape.member, above)
    elif shape.type_name == "structure" and shape.name not in above:
        yield shape
        for name, member in shape.members.items():
            row = SHAPES.get(shape.name, {}).get(name)
            if row is None or row.use is not Use.REFUSED:
                yield from structures(member, (*above, shape.name))


def all_structures() -> dict[str, Any]:
    shapes = [one for name in OPERATIONS for one in structures(MODEL.operation_model(name).input_shape)]
    return {shape.name: shape for shape in shapes}


def members(use: Use) -> list[tuple[str, str]]:
    return [(owner, name) for owner, rows in SHAPES.items() for name, one in rows.items() if one.use is use]


def sample(shape: Any) -> Any:
    """A value that fits a shape and that its members' rows do not refuse."""
    if shape.type_name == "structure":
        named = shape.required_members or list(shape.members)[:1]
        return {name: sample(shape.members[name]) for name in named}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {"a": sample(shape.value)}
    by_type = {
        "boolean": True,
        "double": 1.0,
        "integer": 1,
        "string": (shape.enum or ["text"])[0] if hasattr(shape, "enum") else "",
    }
    return by_type[shape.type_name]


def requests_with(owner: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a request of each operation that has a member, with little else."""
    for operation in OPERATIONS:
        request = _reaching(MODEL.operation_model(operation).input_shape, owner, name, ())
        if request is not None:
            yield operation, request


def _reaching(shape: Any, owner: str, name: str, above: tuple[str, ...]) -> Any:
    if shape.type_name == "list":
        inner = _reaching(shape.member, owner, name, above)
        return None if inner is None else [inner]
    if shape.type_name != "structure" or shape.name in above:
        return None
    if shape.name == owner:
        return {**sample(shape), name: sample(shape.members[name])}
    for member, inner_shape in shape.members.items():
        inner = _reaching(inner_shape, owner, name, (*above, shape.name))
        if inner is not None:
            return {**{n: sample(shape.members[n]) for n in shape.required_members}, member: inner}
    return None


def test_every_member_of_the_model_has_a_row_and_no_other() -> None:
    model = {name: sorted(shape.members) for name, shape in all_structures().items()}
    assert {name: sorted(rows) for name, rows in SHAPES.items()} == model


def test_the_name_of_what_is_called_acted_on_stands_in_the_code() -> None:
    package = Path(emrbox.emr.__file__).parent
    words = {
        node.value
        for file in package.rglob("*.py")
        if file.name != "request_members.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    put_together = {"OnDemandSpecification"}  # allocation.py
    assert {name for _, name in members(Use.ACTED_ON)} - words == put_together


@pytest.mark.parametrize(("owner", "name"), members(Use.REFUSED))
def test_what_is_refused_is_named_by_every_operation_that_has_it(emr: Any, owner: str, name: str) -> None:
    tried = 0
    for operation, request in requests_with(owner, name):
        whole = emr.run_request(**request) if operation == "RunJobFlow" else request
        message = "exactly one of release label" if name in RELEASES_BEFORE else f"{name} is not available"
        with pytest.raises(AwsError, match=message) as refusal:
            emr.call(operation, **whole)
        names = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
        expected = "InvalidRequestException" if "InvalidRequestException" in names else "ValidationException"
        assert refusal.value.code == expected
        tried += 1
    assert tried


@pytest.mark.parametrize(("owner", "name"), members(Use.REFUSED))
def test_an_empty_value_of_what_is_refused_asks_for_nothing(emr: Any, owner: str, name: str) -> None:
    """AWS's own clients leave such members empty."""
    if owner == "RunJobFlowInput":
        shape = MODEL.shape_for(owner).members[name]
        assert emr.launch(**{name: {"list": [], "structure": {}}.get(shape.type_name, "")})


@pytest.mark.parametrize(
    "name",
    [name for use in (Use.SHOWN, Use.NO_EFFECT) for owner, name in members(use) if owner == "RunJobFlowInput"]
    + sorted(INVENTED),
)
def test_what_is_shown_is_in_the_clusters_description(emr: Any, name: str) -> None:
    value = INVENTED.get(name, sample(MODEL.shape_for("RunJobFlowInput").members[name]))
    assert emr.cluster(emr.launch(**{name: value}))[name] == value


def test_contexts_of_fleets_are_shown(emr: Any) -> None:
    fleets = [
        {
            "InstanceFleetType": role,
            "TargetOnDemandCapacity": 1,
            "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
            "Context": f"of {role}",
        }
        for role in ("MASTER", "CORE")
    ]
    instances = {"InstanceFleets": fleets, "KeepJobFlowAliveWhenNoSteps": True}
    cluster = emr.call("RunJobFlow", **{**emr.run_request(), "Instances": instances})["JobFlowId"]
    emr.until(cluster, "WAITING")
    core = emr.call("ListInstanceFleets", ClusterId=cluster)["InstanceFleets"][1]
    assert core["Context"] == "of CORE"
    emr.call(
        "ModifyInstanceFleet",
        ClusterId=cluster,
        InstanceFleet={"InstanceFleetId": core["Id"], "Context": "new"},
    )
    assert emr.call("ListInstanceFleets", ClusterId=cluster)["InstanceFleets"][1]["Context"] == "new"


def test_security_groups_of_a_launch_are_in_the_clusters_description(emr: Any) -> None:
    named = {name: "sg-1" for name in SHAPES["JobFlowInstancesConfig"] if name.endswith("SecurityGroup")}
    assert len(named) == 3
    shown = emr.cluster(emr.launch(Instances=named))["Ec2InstanceAttributes"]
    assert named.items() <= shown.items()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ScaleDownBehavior": "TERMINATE_AT_INSTANCE_HOUR"},
            "INSTANCE_HOUR is not available in this region",
        ),
        ({"OSReleaseLabel": "2023.1.1"}, "OSReleaseLabel is not available in this region"),
        (
            {"ReleaseLabel": "emr-5.29.0", "LogEncryptionKmsKeyId": "mine"},
            "not supported in release emr-5.29.0",
        ),
        (
            {"ReleaseLabel": "emr-6.0.0", "LogEncryptionKmsKeyId": "mine"},
            "not supported in release emr-6.0.0",
        ),
        ({"ReleaseLabel": "emr-6.14.0", "EbsRootVolumeIops": 3000}, "not supported in release emr-6.14.0"),
        ({"EbsRootVolumeIops": 2999}, "EbsRootVolumeIops must be between 3000 and 16000 IOPS"),
        ({"EbsRootVolumeThroughput": 1001}, "EbsRootVolumeThroughput must be between 125 and 1000 MiB/s"),
    ],
)
def test_values_that_a_release_or_emrbox_does_not_have_are_refused(
    emr: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        emr.launch(**changes)
    assert refusal.value.code == "ValidationException"


def test_the_releases_own_system_may_be_named(emr: Any) -> None:
    [system] = emr.call("DescribeReleaseLabel", ReleaseLabel="emr-spark-8.0.0")["AvailableOSReleases"]
    assert emr.cluster(emr.launch(OSReleaseLabel=system["Label"]))["OSReleaseLabel"] == system["Label"]
