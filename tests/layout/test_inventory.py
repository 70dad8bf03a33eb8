"""The dynamic inventory on an EC2 with two clusters of one pipeline, and on no EC2 at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from ansible.release import __version__ as ansible_version
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_copy import AnsibleCopy

FIRST, SECOND = "j-AAAAAAAAAAAAA", "j-BBBBBBBBBBBBB"


def launch(ec2: Any, count: int, **tags: str) -> list[str]:
    image = ec2.describe_images()["Images"][0]["ImageId"]
    launched = ec2.run_instances(
        ImageId=image,
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": key.replace("__", ":").replace("_of_", "-"), "Value": value}
                    for key, value in tags.items()
                ],
            }
        ],
    )
    return [instance["PrivateIpAddress"] for instance in launched["Instances"]]


def tags_of(cluster_id: str, **tags: str) -> dict[str, str]:
    return {
        "pipeline": "model_building",
        "environment": "local",
        "managed_by": "kiln",
        "cluster_name": f"kiln-local-model_building-{cluster_id}",
        "aws__elasticmapreduce__job_of_flow_of_id": cluster_id,
    } | tags


def cluster(ec2: Any, cluster_id: str, **tags: str) -> dict[str, list[str]]:
    common = tags_of(cluster_id, **tags)
    return {
        role: launch(ec2, count, aws__elasticmapreduce__instance_of_group_of_role=role, **common)
        for role, count in (("MASTER", 1), ("CORE", 2))
    }


@pytest.fixture
def endpoint() -> Iterator[str]:
    moto_api_backend.reset()  # one for all tests of a process
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ec2(endpoint: str) -> Any:
    return boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def point_to(ansible_copy: AnsibleCopy, endpoint: str) -> None:
    ansible_copy.write(
        ".kiln/local/aws/config",
        "[profile kiln_local]\naws_access_key_id = any\naws_secret_access_key = any\n"
        f"region = us-east-1\nendpoint_url = {endpoint}\n",
    )


def listed(ansible_copy: AnsibleCopy) -> Any:
    answer = ansible_copy.run("ansible-inventory", "-i", "inventory/local", "--list")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def hosts_of(groups: Any, name: str) -> set[str]:
    return set(groups.get(name, {}).get("hosts", ()))


def test_nodes_are_grouped_by_their_tags_in_groups_that_no_play_uses(
    ansible_copy: AnsibleCopy, endpoint: str, ec2: Any
) -> None:
    first, second = cluster(ec2, FIRST), cluster(ec2, SECOND)
    cluster(ec2, "j-FOREIGN", managed_by="somebody")
    cluster(ec2, "j-STAGE", environment="stage")
    point_to(ansible_copy, endpoint)
    groups = listed(ansible_copy)
    both = {address for nodes in (first, second) for addresses in nodes.values() for address in addresses}

    assert hosts_of(groups, "tag_cluster_j_AAAAAAAAAAAAA") == {*first["MASTER"], *first["CORE"]}
    assert hosts_of(groups, "tag_cluster_j_BBBBBBBBBBBBB") == {*second["MASTER"], *second["CORE"]}
    assert hosts_of(groups, "tag_role_MASTER") == {*first["MASTER"], *second["MASTER"]}
    assert hosts_of(groups, "tag_pipeline_model_building") == both
    assert hosts_of(groups, "nodes") == both
    assert hosts_of(groups, "tag_incomplete") == set()

    (master,) = first["MASTER"]
    variables = groups["_meta"]["hostvars"][master]
    assert variables["ansible_user"] == "{{ emr_cluster_ssh_user }}"
    assert variables["kiln_cluster_id"] == {"__ansible_unsafe": FIRST}
    # Whatever the tag says: a pipeline's variables, its secrets among them, come from the run.
    assert variables["node_secrets_values"] == {}
    assert "model_building_spark_conf" not in variables


def test_a_tag_puts_no_node_into_a_group_of_plays_or_variables(
    ansible_copy: AnsibleCopy, endpoint: str, ec2: Any
) -> None:
    names = ["other", "emr_target", "localhost", "nodes", "all", "local", "pipelines", "model_building"]
    ansible_copy.write("group_vars/other.yml", "node_secrets_values: {x: '{{ vault_x }}'}\n")
    hosts = {name: launch(ec2, 1, **tags_of(FIRST, pipeline=name))[0] for name in names}
    point_to(ansible_copy, endpoint)
    groups = listed(ansible_copy)
    for name, host in hosts.items():
        member = {group for group in groups if host in hosts_of(groups, group)}
        assert {group for group in member if not group.startswith("tag_")} == {"aws_ec2", "nodes"}, name
        assert groups["_meta"]["hostvars"][host]["node_secrets_values"] == {}, name


def test_a_half_tagged_instance_disturbs_nobody(ansible_copy: AnsibleCopy, endpoint: str, ec2: Any) -> None:
    nodes = cluster(ec2, FIRST)
    odd = launch(ec2, 1, managed_by="kiln", environment="local")
    point_to(ansible_copy, endpoint)
    groups = listed(ansible_copy)
    assert hosts_of(groups, "nodes") == {*nodes["MASTER"], *nodes["CORE"]}
    assert hosts_of(groups, "tag_incomplete") == set(odd)


def replace_in(ansible_copy: AnsibleCopy, file: str, *names: str) -> None:
    """Remove variables from a file of group_vars."""
    lines = (ansible_copy.root / file).read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(tuple(f"{name}:" for name in names))]
    assert len(lines) - len(kept) == len(names)
    ansible_copy.write(file, "".join(kept))


def test_an_account_that_is_moved_and_templated_is_found(
    ansible_copy: AnsibleCopy, endpoint: str, ec2: Any, tmp_path: Path
) -> None:
    nodes = cluster(ec2, FIRST)
    point_to(ansible_copy, endpoint)
    replace_in(ansible_copy, "group_vars/local/main.yml", "aws_region", "aws_profile", "aws_config_file")
    ansible_copy.write(
        "group_vars/local/account.yml",
        """
regions_of_the_test: {local: us-east-1}
aws_region: "{{ regions_of_the_test[kiln_environment] }}"
aws_profile: "{{ ['kiln', kiln_environment] | join('_') }}"
aws_config_file: "{{ kiln_state_dir }}/local/aws/config"
""",
    )
    inventory = ansible_copy.root / "inventory/local"
    for cwd in (None, tmp_path):
        shown = ansible_copy.run("ansible-inventory", "-i", str(inventory), "--graph", cwd=cwd)
        assert shown.returncode == 0, shown.stderr
        assert nodes["MASTER"][0] in shown.stdout


def test_reading_the_account_changes_nothing_of_the_play(
    ansible_copy: AnsibleCopy, endpoint: str, ec2: Any
) -> None:
    cluster(ec2, FIRST)
    point_to(ansible_copy, endpoint)
    template = "msg={{ ansible_version.full }},{{ ansible_forks }},{{ playbook_dir }}"
    said = ansible_copy.run(
        *("ansible", "-i", "inventory/local", "localhost", "-m", "ansible.builtin.debug", "-a", template)
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{ansible_version},20,{ansible_copy.root / 'playbooks'}" in said.stdout


@pytest.mark.parametrize("environment", ["stage", "prod"])
def test_the_profile_of_another_environment_is_resolved_as_in_a_playbook(
    ansible_copy: AnsibleCopy, environment: str
) -> None:
    replace_in(ansible_copy, f"group_vars/{environment}/main.yml", "aws_profile")
    ansible_copy.append("group_vars/all/aws.yml", '\naws_profile: "of_{{ kiln_environment }}"\n')
    asked = ("ansible-inventory", "-i", f"inventory/{environment}", "--graph")
    refused = ansible_copy.run(*asked)
    assert f"The config profile (of_{environment}) could not be found" in refused.stderr
    by_hand = ansible_copy.run(*asked, "-e", "aws_profile=by_hand")
    assert "The config profile (by_hand) could not be found" in by_hand.stderr


def test_a_setting_of_the_inventory_that_is_not_set_is_named(ansible_copy: AnsibleCopy) -> None:
    replace_in(ansible_copy, "group_vars/stage/main.yml", "aws_region")
    refused = ansible_copy.run("ansible-inventory", "-i", "inventory/stage", "--graph")
    assert refused.returncode != 0
    assert "aws_region is not set for stage: set it in group_vars/stage/main.yml" in " ".join(
        refused.stderr.split()
    )


def test_no_local_aws_is_an_error_that_says_so(ansible_copy: AnsibleCopy) -> None:
    missing = ansible_copy.run("ansible-inventory", "-i", "inventory/local", "--list")
    assert missing.returncode != 0
    assert "the local AWS is not set up: run `make local`" in missing.stderr

    point_to(ansible_copy, "http://127.0.0.1:9")
    down = ansible_copy.run("ansible-inventory", "-i", "inventory/local", "--graph")
    assert down.returncode != 0
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"' in down.stderr


def test_a_playbook_never_passes_on_no_nodes(ansible_copy: AnsibleCopy, endpoint: str, ec2: Any) -> None:
    """Without the first play nobody fills the group emr_target; Ansible's own answer to that is success."""
    cluster(ec2, FIRST)
    point_to(ansible_copy, endpoint)
    limited = ansible_copy.run(
        *("ansible-playbook", "-i", "inventory/local", "playbooks/provision.yml"),
        *("-e", "pipeline=model_building", "--skip-tags", "always"),
    )
    assert limited.returncode != 0
    assert "emr_target" in limited.stderr

    nameless = ansible_copy.run(
        "ansible-playbook", "playbooks/provision.yml", "-e", "pipeline=model_building"
    )
    assert nameless.returncode != 0
    assert "no environment\nfix: name one by its inventory" in nameless.stdout
