from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeCluster, shape
from hostile import many, texts
from hypothesis import given

from kiln.aws.effects import Instance
from kiln.emr import node_choice
from kiln.emr.request import launch_request
from kiln.errors import ClusterNotFoundError, UsageError

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context
    from kiln.identity import Identity


def node(name: str, group: str, address: str) -> Instance:
    return Instance(
        id=f"ci-{name}", ec2_instance_id=f"i-{name}", private_ip_address=address, group=group, state="RUNNING"
    )


NODES = [
    node("0A", "CORE", "10.0.0.10"),
    node("0B", "CORE", "10.0.0.9"),
    node("0C", "MASTER", "10.0.0.7"),
    node("0D", "TASK", "10.0.0.8"),
    node("0E", "TASK", ""),
]


@pytest.fixture
def cluster(aws: FakeAws, identity: Identity) -> str:
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    aws.nodes["j-1"] = list(NODES)
    return "j-1"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("master", "i-0C"),
        ("master-1", "i-0C"),
        ("core", "i-0B"),
        ("core-1", "i-0B"),
        ("core-2", "i-0A"),
        ("task", "i-0D"),
        ("10.0.0.10", "i-0A"),
        ("ip-10-0-0-10", "i-0A"),
        ("ip-10-0-0-10.ec2.internal", "i-0A"),
        ("i-0D", "i-0D"),
        ("ci-0D", "i-0D"),
    ],
)
def test_a_node_is_found_by_kind_address_name_and_id(
    context: Context, cluster: str, wanted: str, expected: str
) -> None:
    assert node_choice.chosen(context, cluster, wanted).ec2_instance_id == expected


def test_the_master_is_the_default(context: Context, cluster: str) -> None:
    assert node_choice.chosen(context, cluster).private_ip_address == "10.0.0.7"


@pytest.mark.parametrize("wanted", ["core-3", "core-0", "task-2", "i-0E", "", "MASTER"])
def test_a_name_that_no_node_has_is_an_error_with_those_there_are(
    context: Context, cluster: str, wanted: str
) -> None:
    with pytest.raises(UsageError, match="has no node") as error:
        node_choice.chosen(context, cluster, wanted)
    assert [line.split()[0] for line in error.value.details] == ["master", "core-1", "core-2", "task-1"]


def test_a_cluster_without_addresses_is_not_ready(context: Context, aws: FakeAws, cluster: str) -> None:
    aws.nodes[cluster] = [NODES[-1]]
    with pytest.raises(ClusterNotFoundError, match="no node with an address"):
        node_choice.chosen(context, cluster)


@many
@given(texts("core-1", "ip-10-0-0-9", "10.0.0.9"))
def test_whatever_is_typed_only_a_node_of_the_cluster_is_chosen(wanted: str) -> None:
    class Nodes:
        def list_instances(self, _: str) -> list[Instance]:
            return list(NODES)

    class Given:
        effects = Nodes()

    try:
        found = node_choice.chosen(Given(), "j-1", wanted)  # type: ignore[arg-type]  # all that is used
    except UsageError:
        return
    assert found in NODES
