from __future__ import annotations

from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import ClusterNotFoundError, caught
from kiln.nodes import target_nodes

CLUSTER = "j-2AXXXXXXGAPLF"


NO_OTHER_MACHINE = (
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:10.0.0.1", "::1", "::", "fe80::1", "ff02::1"),
    *("169.254.169.254", "0.0.0.0", "0.0.0.1", "255.255.255.255", "224.0.0.1", "127.9.9.9"),  # noqa: S104
)


def node(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "ec2_instance_id": f"i-{number:08x}",
        "private_ip_address": f"10.0.0.{number}",
        "group": "CORE",
        "state": "RUNNING",
    } | changes


def running(*instances: dict[str, Any], cluster_id: str = CLUSTER) -> list[dict[str, str]]:
    return target_nodes.running({"id": cluster_id, "instances": list(instances)})


def test_running_nodes_are_taken_with_the_group_of_their_kind() -> None:
    found = running(node(1, group="MASTER"), node(2), node(3, state="PROVISIONING"), node(4, group="TASK"))
    assert [(one["name"], one["group"]) for one in found] == [
        ("10.0.0.1", "emr_master"),
        ("10.0.0.2", "emr_core"),
        ("10.0.0.4", "emr_task"),
    ]


@pytest.mark.parametrize(
    ("instances", "words"),
    [
        ([], "no running node"),
        ([node(state="TERMINATED")], "no running node"),
        ([node(private_ip_address="localhost")], "no IP address"),
        ([node(private_ip_address="127.0.0.1")], "no IP address"),
        ([node(private_ip_address="")], "no IP address"),
        *(([node(private_ip_address=address)], "no IP address") for address in NO_OTHER_MACHINE),
        ([node(private_ip_address="10.0.0.1 -oProxyCommand=x")], "no IP address"),
        ([node(private_ip_address="fe80::1%{{ 7*7 }}")], "no IP address"),
        ([node(ec2_instance_id="x")], "no id of an instance"),
        ([node(group="")], "neither MASTER nor CORE nor TASK"),
        ([node(1), node(2, private_ip_address="10.0.0.1")], "have one address"),
    ],
)
def test_what_cannot_be_a_node_is_refused_in_one_line(instances: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ClusterNotFoundError, match=words) as error:
        running(*instances)
    assert error.value.message.isprintable()


def test_an_id_that_is_no_clusters_is_refused() -> None:
    with pytest.raises(ClusterNotFoundError, match="no id of a cluster"):
        running(node(), cluster_id="j-1 -o ProxyCommand=x")


ODD = st.one_of(texts("10.0.0.2"), st.none(), st.integers(), st.just(["x"]), st.just({"a": 1}))


@many
@given(
    cluster_id=st.one_of(st.just(CLUSTER), texts(CLUSTER)),
    instances=st.lists(
        st.fixed_dictionaries(
            {
                "ec2_instance_id": st.one_of(st.just("i-0a1b2c3d"), ODD),
                "private_ip_address": st.one_of(st.just("10.0.0.1"), ODD),
                "group": st.one_of(st.just("CORE"), ODD),
                "state": st.just("RUNNING"),
            }
        ),
        max_size=2,
    ),
)
def test_no_answer_of_emr_makes_a_host_of_anything_but_an_address(
    cluster_id: str, instances: list[dict[str, Any]]
) -> None:
    found: list[dict[str, str]] = []
    error = caught(lambda: found.extend(running(*instances, cluster_id=cluster_id)))
    if error:
        assert isinstance(error, ClusterNotFoundError)
        assert error.message.isprintable()
        assert len(error.message) < 300
    for one in found:
        assert set(one["name"]) <= set("0123456789abcdef.:")
        assert one["group"] in {"emr_master", "emr_core", "emr_task"}
