"""The options of ansible-playbook that people use on playbooks: listings, --limit, --tags."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    import subprocess

    from ansible_copy import AnsibleCopy

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
PIPELINE = "model_building"
MASTER, CORES = "10.0.0.5", ("10.0.0.6", "10.0.0.7")
NODES = (MASTER, *CORES)
TAG_GROUP = f"tag_cluster_name_kiln_local_{PIPELINE}_r1"
# What EMR would answer, in the place of the action that asks it.
FOUND = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        cluster = {"id": "j-1AAAAAAAAAAAA", "run_id": "r1", "instances": INSTANCES_OF_THE_TEST}
        return {"changed": False, "clusters": [cluster]}
"""
INSTANCES = [
    {
        "ec2_instance_id": f"i-0000000{index}",
        "private_ip_address": address,
        "group": "MASTER" if address == MASTER else "CORE",
        "state": "RUNNING",
    }
    for index, address in enumerate(NODES)
]


def playbook(ansible_copy: AnsibleCopy, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ansible_copy.run(
        *("ansible-playbook", "-i", "inventory/local", "-e", f"pipeline={PIPELINE}"), *arguments
    )


@pytest.fixture
def cluster_of_account(cluster: AnsibleCopy) -> AnsibleCopy:
    """The same with an inventory of all instances of an account, which cannot be read."""
    (cluster.root / "inventory/local/tagged.yml").unlink()
    shutil.copy(CHECKOUT / "inventory/local/aws_ec2.yml", cluster.root / "inventory/local")
    return cluster


@pytest.fixture
def cluster(ansible_copy: AnsibleCopy) -> AnsibleCopy:
    """A checkout whose cluster's nodes are all this machine, and whose tasks on nodes change nothing."""
    (ansible_copy.root / "inventory/local/aws_ec2.yml").unlink()
    tagged: dict[str, object] = {TAG_GROUP: {"hosts": dict.fromkeys(NODES)}}
    tagged["nodes"] = {"hosts": dict.fromkeys(NODES)}
    ansible_copy.write("inventory/local/tagged.yml", yaml.safe_dump(tagged))
    # Their host keys are known: EC2 is not asked for them.
    known = "".join(f"{one['ec2_instance_id']} ssh-ed25519 x\n" for one in INSTANCES)
    ansible_copy.write(".kiln/known_hosts/j-1AAAAAAAAAAAA", known)
    action = FOUND.replace("INSTANCES_OF_THE_TEST", repr(INSTANCES))
    ansible_copy.write("plugins/action/emr_cluster_info.py", action)
    ansible_copy.write(
        "group_vars/nodes.yml",
        "ansible_connection: local\nansible_become: false\n"
        "ansible_python_interpreter: '{{ ansible_playbook_python }}'\n",
    )
    ansible_copy.set_variable("group_vars/local/main.yml", "emr_cluster_private_key_file", "''")
    tasks = [
        {"name": f"{item} | Do it", "ansible.builtin.debug": {"msg": f"did {item}"}, "tags": [item]}
        for item in ("packages", "python")
    ]
    ansible_copy.write("roles/emr_node/tasks/main.yml", yaml.safe_dump(tasks))
    return ansible_copy


def worked_on(output: str) -> set[str]:
    """Return the nodes of a run's recap."""
    return set(re.findall(r"^(10\.\S+) +: ok=", output, flags=re.MULTILINE))


@pytest.mark.parametrize("option", ["--list-tasks", "--list-hosts", "--list-tags", "--syntax-check"])
def test_every_playbook_can_be_listed(cluster: AnsibleCopy, option: str) -> None:
    listed = playbook(cluster, option, *(f"playbooks/{name}.yml" for name in PLAYBOOKS))
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("playbook: ") == len(PLAYBOOKS)


def test_every_task_has_a_tag(ansible_copy: AnsibleCopy) -> None:
    hosts = ("-i", "inventory/local/hosts.yml", "--list-tasks")
    listed = ansible_copy.run(
        "ansible-playbook", *hosts, *(f"playbooks/{name}.yml" for name in PLAYBOOKS if name != "settings")
    )
    assert listed.returncode == 0, listed.stderr
    tasks = [line for line in listed.stdout.splitlines() if "TAGS:" in line and "play #" not in line]
    assert tasks
    assert [line.strip() for line in tasks if line.endswith("TAGS: []")] == []


@pytest.mark.parametrize(
    ("limit", "nodes"),
    [
        ("emr_core", set(CORES)),
        ("emr_master", {MASTER}),
        (CORES[0], {CORES[0]}),
        (f"{CORES[0]},{MASTER}", {CORES[0], MASTER}),
        (TAG_GROUP, set(NODES)),
        (f"{TAG_GROUP}:!{MASTER}", set(CORES)),
        (f"!{MASTER}", set(CORES)),
        ("all", set(NODES)),
        (f"localhost,{MASTER}", {MASTER}),
    ],
)
def test_a_limit_chooses_nodes_and_never_leaves_out_the_control_host(
    cluster: AnsibleCopy, limit: str, nodes: set[str]
) -> None:
    run = playbook(cluster, "playbooks/provision.yml", "--limit", limit, "--tags", "packages")
    assert run.returncode == 0, run.stdout + run.stderr
    assert worked_on(run.stdout) == nodes
    assert "did packages" in run.stdout
    assert "did python" not in run.stdout


@pytest.mark.parametrize("limit", ["emr_task", f"{TAG_GROUP},!nodes", "localhost"])
def test_a_limit_that_leaves_no_node_is_an_error_that_names_them(cluster: AnsibleCopy, limit: str) -> None:
    run = playbook(cluster, "playbooks/provision.yml", "--limit", limit)
    assert run.returncode == 2, run.stdout
    said = " ".join(run.stdout.split())
    assert f"--limit {limit} names no node of cluster j-1AAAAAAAAAAAA" in said
    assert all(node in said for node in NODES)


def test_a_limit_that_names_nothing_is_an_error(cluster: AnsibleCopy) -> None:
    run = playbook(cluster, "playbooks/provision.yml", "--limit", "emr_croe")
    assert run.returncode != 0
    assert "Could not match supplied host pattern, ignoring: emr_croe" in run.stderr


def test_an_intersection_is_refused_with_the_reason(cluster: AnsibleCopy) -> None:
    run = playbook(cluster, "playbooks/provision.yml", "--limit", f"nodes:&{TAG_GROUP}")
    assert run.returncode != 0
    assert "an intersection (&) leaves out the control host" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    ("limit", "nodes"),
    [
        (None, set(NODES)),
        (TAG_GROUP, set(NODES)),
        (f"tag_role_CORE,!{CORES[1]}", {CORES[0]}),
        ("tag_cluster_j_1AAAAAAAAAAAA", set(NODES)),
        (f"{MASTER}", {MASTER}),
        ("!tag_role_MASTER", set(CORES)),
    ],
)
def test_a_run_never_reads_the_instances_of_the_account(
    cluster_of_account: AnsibleCopy, limit: str | None, nodes: set[str]
) -> None:
    arguments = ("--limit", limit) if limit else ()
    run = playbook(cluster_of_account, "playbooks/provision.yml", "--tags", "packages", *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    assert worked_on(run.stdout) == nodes


@pytest.mark.parametrize("limit", ["10.0.0.9", "tag_role_TASK", "tag_cluster_j_2BBBBBBBBBBBB"])
def test_a_limit_to_other_nodes_of_the_account_is_an_error_that_names_the_nodes(
    cluster_of_account: AnsibleCopy, limit: str
) -> None:
    run = playbook(cluster_of_account, "playbooks/provision.yml", "--limit", limit)
    assert run.returncode == 2, run.stdout
    assert f"--limit {limit} names no node of cluster j-1AAAAAAAAAAAA" in " ".join(run.stdout.split())


@pytest.mark.parametrize(
    "command",
    [
        ("ansible-playbook", "playbooks/provision.yml", "-e", f"pipeline={PIPELINE}", "--limit", "10.0.0.*"),
        ("ansible-playbook", "other.yml"),
        ("ansible", "tag_role_CORE", "-m", "ansible.builtin.ping"),
        ("ansible-inventory", "--graph"),
    ],
)
def test_whatever_needs_all_instances_reads_the_account(
    cluster_of_account: AnsibleCopy, command: tuple[str, ...]
) -> None:
    cluster_of_account.write("other.yml", yaml.safe_dump([{"hosts": "all", "tasks": []}]))
    tool, *arguments = command
    run = cluster_of_account.run(tool, "-i", "inventory/local", *arguments)
    assert run.returncode != 0
    assert "the local AWS is not set up" in run.stderr


def test_playbooks_of_other_people_keep_ansibles_own_limit(cluster: AnsibleCopy) -> None:
    play = {"hosts": "all", "tasks": [{"name": "Do it", "ansible.builtin.debug": {}}]}
    cluster.write("other.yml", yaml.safe_dump([play]))
    run = playbook(cluster, "other.yml", "--limit", MASTER)
    assert run.returncode == 0, run.stderr
    assert worked_on(run.stdout) == {MASTER}
    assert "localhost" not in run.stdout.partition("PLAY RECAP")[2]


def test_a_pattern_of_hosts_keeps_ansibles_own_limit_also_among_the_playbooks(cluster: AnsibleCopy) -> None:
    hosts = ("-i", "../inventory/local/hosts.yml", "-i", "../inventory/local/tagged.yml", "all")
    folder = cluster.root / "playbooks"
    listed = cluster.run("ansible", *hosts, "--limit", MASTER, "--list-hosts", cwd=folder)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split() == ["hosts", "(1):", MASTER]


def test_a_play_without_the_one_that_finds_its_nodes_is_an_error(cluster: AnsibleCopy) -> None:
    run = playbook(cluster, "playbooks/provision.yml", "--skip-tags", "always")
    assert run.returncode != 0
    assert "emr_target" in run.stderr
