"""The expressions of the dynamic inventory on tags of any text, as Ansible itself evaluates them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import Constructable
from ansible.template import Templar, trust_as_template
from hostile import MANY, Sentinel, texts
from hypothesis import given, settings
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "10.0.0.1"
TAGS = ("aws:elasticmapreduce:job-flow-id", "aws:elasticmapreduce:instance-group-role", "pipeline")
ORDINARY = ("all", "ungrouped", "aws_ec2", "nodes")


class Inventory(Constructable):  # type: ignore[misc]  # Ansible publishes no types
    """What amazon.aws.aws_ec2 does with an instance, without EC2."""

    def __init__(self, tags: dict[str, str]) -> None:
        self._options = {"leading_separator": True, "use_extra_vars": False}
        self.inventory = InventoryData()
        self.inventory.add_group("aws_ec2")
        self.inventory.add_host(HOST, group="aws_ec2")
        self.templar = Templar(loader=DataLoader())
        said = SAID
        variables = {"instance_tags": tags}
        self.inventory.set_variable(HOST, "instance_tags", tags)
        self._set_composite_vars(said["compose"], variables, HOST, strict=said["strict"])
        self._add_host_to_composed_groups(said["groups"], variables, HOST, strict=said["strict"])
        self._add_host_to_keyed_groups(said["keyed_groups"], variables, HOST, strict=said["strict"])

    def get_option(self, option: str, hostvars: Any = None) -> Any:  # noqa: ARG002  # Ansible's signature
        return self._options.get(option)

    @property
    def groups(self) -> set[str]:
        return {name for name, group in self.inventory.groups.items() if HOST in map(str, group.get_hosts())}


def trusted(value: Any) -> Any:
    """Return what a file of the checkout holds as Ansible reads it: its texts are templates."""
    if isinstance(value, dict):
        return {key: trusted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


SAID = trusted(yaml.safe_load((CHECKOUT / "inventory/stage/aws_ec2.yml").read_text()))


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Sentinel:
    return Sentinel(tmp_path_factory.mktemp("tags"))


def test_a_node_of_a_cluster_is_reached_and_found_by_people() -> None:
    made = Inventory(
        {"aws:elasticmapreduce:job-flow-id": "j-2AXXXXXXGAPLF", "pipeline": "x", "cluster_name": "y"}
    )
    assert made.groups - {"all"} == {
        *("aws_ec2", "nodes", "tag_cluster_j_2AXXXXXXGAPLF"),
        *("tag_role_none", "tag_pipeline_x", "tag_cluster_name_y"),
    }


# Ansible compiles every expression for each instance, 20 ms and more: a tenth of the usual number.
@pytest.mark.soak
@settings(max_examples=max(MANY // 10, 1))
@given(
    values=st.dictionaries(
        st.sampled_from([*TAGS, "cluster_name", "keys", "get"]), texts("MASTER"), max_size=3
    )
)
def test_no_tag_fails_runs_or_makes_a_group_that_plays_or_variables_use(
    sentinel: Sentinel, values: dict[str, str]
) -> None:
    made = Inventory({key: sentinel.within(value) for key, value in values.items()})
    assert {name for name in made.groups if not name.startswith("tag_")} <= set(ORDINARY)
    identity = made.inventory.get_host(HOST).get_vars()["kiln_cluster_id"]
    assert identity == "" or identity.removeprefix("j-").isalnum()
    assert ("nodes" in made.groups) == (identity != "")
    sentinel.check()
