"""What a node must have, checked before any connection is made; and how results are summed up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError, caught
from kiln.nodes import definition, results
from kiln.nodes.results import ItemResult, NodeResult

PACKAGES = {"kind": "packages", "tags": ["packages"], "names": ["jq"], "lock_timeout_seconds": 300}
ENVIRONMENT = {
    "kind": "environment",
    "tags": ["python"],
    "hash": "0123456789abcdef",
    "path": "/opt/kiln/envs/0123456789abcdef",
    "state_uri": "s3://bucket/kiln",
    "python_version": "3.11",
    "architecture": "x86_64",
    "requirements": "requirements/model_building.txt",
}
RELEASE = {
    "kind": "release",
    "name": "model_repo",
    "commit": "0" * 40,
    "archive": "/cache/model_repo.tar",
    "sha256": "0" * 64,
    "kept": 3,
}
SECRETS = {
    "kind": "secrets",
    "path": "/home/hadoop/.kiln/secrets/model_building.json",
    "owner": "hadoop",
    "vault_file": "/checkout/vault/stage.yml",
    "shown_as": "vault/stage.yml",
}
CHECKOUT = str(Path(__file__).parents[3])
FILES = {
    "kind": "files",
    "files": [
        {"path": "/etc/team/site.conf", "content": "a\n"},
        {"path": "/usr/local/bin/team", "source": "scripts/kiln", "mode": "0755"},
    ],
    "checkout": CHECKOUT,
}
SYSTEM = {
    "kind": "system_settings",
    "settings": {"kernel": {"vm.swappiness": 1}, "limits": {"hadoop": {"nofile": 65536}}},
}
ALL: list[dict[str, Any]] = [PACKAGES, FILES, SYSTEM, ENVIRONMENT, RELEASE, SECRETS]


def one_file(**changes: Any) -> dict[str, Any]:
    return FILES | {"files": [{"path": "/etc/team/site.conf", "content": "a"} | changes]}


def kernel(name: str, value: Any) -> dict[str, Any]:
    return {"kind": "system_settings", "settings": {"kernel": {name: value}}}


def limit(domain: str, name: str, value: Any) -> dict[str, Any]:
    return {"kind": "system_settings", "settings": {"limits": {domain: {name: value}}}}


def test_every_kind_is_taken_and_sent_without_what_is_the_control_host_s() -> None:
    items = definition.convert(ALL)
    assert [definition.label(item) for item in items] == [item["kind"] for item in ALL]
    sent = json.dumps([definition.document_of(item) for item in items])
    assert "/checkout" not in sent
    assert CHECKOUT not in sent
    assert "/cache" not in sent


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (PACKAGES | {"names": ["--nogpgcheck"]}, "emr_node_os_packages is --nogpgcheck"),
        (PACKAGES | {"names": ["http://host/x.rpm"]}, "emr_node_os_packages is 'http://host/x.rpm'"),
        (PACKAGES | {"names": "jq"}, "Expected `array`"),
        (PACKAGES | {"more": 1}, "unknown field `more`"),
        (ENVIRONMENT | {"path": "/etc"}, "emr_node_environment_path is '/etc'"),
        (ENVIRONMENT | {"python_version": "3.11;x"}, "emr_node_python_version is '3.11;x'"),
        (RELEASE | {"name": "../x"}, "model_repo_name is '../x'"),
        (RELEASE | {"commit": "main"}, "model_repo_commit is main"),
        (RELEASE | {"kept": 0}, "model_repo_kept_releases is 0"),
        (SECRETS | {"path": "relative/x"}, "node_secrets_folder is 'relative/x'"),
        (SECRETS | {"path": "/home/../etc/x"}, "node_secrets_folder is '/home/../etc/x'"),
        (one_file(path="etc/x"), "emr_node_files[0].path is 'etc/x': expected the absolute path"),
        (one_file(path="/etc/../x"), "is '/etc/../x': expected the absolute path"),
        (one_file(path="/etc//x"), "is '/etc//x': expected the absolute path"),
        (one_file(path="/etc/x y"), "is '/etc/x y': expected the absolute path"),
        (one_file(path="/x"), "is '/x': expected the absolute path"),
        (one_file(path="/opt/kiln/x"), "/opt/kiln is Kiln's own"),
        (one_file(path="/etc/sudoers.d/x"), "/etc/sudoers.d is what logins"),
        (one_file(path="/home/hadoop/.ssh/config"), ".ssh is what logins"),
        (one_file(path="/usr/bin/x"), "/usr is the operating system's"),
        (one_file(path="/usr/local"), "/usr is the operating system's"),
        (one_file(path="/etc/spark/conf/x"), "use emr_cluster_configurations"),
        (one_file(path="/etc/sysctl.d/90-kiln.conf"), "use emr_node_system_settings"),
        (
            FILES | {"files": [*FILES["files"], *FILES["files"]]},
            "emr_node_files[2].path is '/etc/team/site.conf': named twice",
        ),
        (
            FILES | {"files": [{"path": path, "content": ""} for path in ("/a/b", "/a/b/c")]},
            "it is a file and a folder, because of /a/b",
        ),
        (one_file(source="scripts/kiln"), "emr_node_files[0] has both content and source"),
        (one_file(content=None), "emr_node_files[0] has neither content nor source"),
        (
            one_file(content=None, source="nowhere"),
            "emr_node_files[0].source is nowhere: there is no such file",
        ),
        (one_file(content=None, source="../x"), "there is no such file in the checkout"),
        (one_file(content=None, source="/etc/passwd"), "there is no such file in the checkout"),
        (one_file(content="a" * 2**20 + "a"), "emr_node_files holds more than 1 MiB in all"),
        (one_file(mode="0646"), "mode"),
        (one_file(mode="4755"), "mode"),
        (one_file(owner="a b"), "owner"),
        (
            FILES | {"files": [{"path": f"/a/{number}", "content": ""} for number in range(101)]},
            "emr_node_files has 101 files: at most 100",
        ),
        (kernel("vm/swappiness", 1), "is no name of a setting"),
        (kernel("../etc.x", 1), "is no name of a setting"),
        (kernel("vm.swappiness", True), "is True: expected a number, or words in one line"),  # noqa: FBT003
        (kernel("vm.swappiness", "1\nx = 2"), "expected a number, or words in one line"),
        (limit("a b", "nofile", 1), "is no user"),
        (limit("hadoop", "files", 1), "files is no limit: expected as core"),
        (limit("hadoop", "nofile", "unlimited"), "nofile is unlimited: expected 1024 to 1048576"),
        (limit("hadoop", "nofile", 1), "nofile is 1: expected 1024 to 1048576"),
        (limit("hadoop", "memlock", -1), "memlock is -1: expected 0 or more, or unlimited"),
        ({"kind": "shell"}, "(shell)"),
        ("x", "item 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_key(item: Any, words: str) -> None:
    with pytest.raises(UsageError) as error:
        definition.convert([item])
    assert words in error.value.message
    assert error.value.fix


FIELDS = [
    (item, key) for item in ALL for key in item if key not in {"kind", "tags", "shown_as", "vault_file"}
]


@many
@given(field=st.sampled_from(FIELDS), value=st.one_of(texts("jq", "hadoop"), documents()))
def test_whatever_is_sent_to_a_node_has_the_form_that_its_program_expects(
    field: tuple[dict[str, Any], str], value: Any
) -> None:
    item, key = field
    made: list[definition.Item] = []
    error = caught(lambda: made.extend(definition.convert([item | {key: value}])))
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert len(error.message) < 400
        return
    sent = definition.document_of(made[0])
    for name in sent.get("names", ()):
        assert not name.startswith("-")
        assert "/" not in name
    for path in (sent.get("path", "/x"), sent.get("root", "/x")):
        assert path.startswith("/")
        assert "/../" not in f"{path}/"


@pytest.mark.parametrize(
    ("run", "skip", "left"),
    [
        (["all"], [], 6),
        (["packages"], [], 1),
        (["python", "packages"], ["python"], 1),
        (["all"], ["packages"], 5),
        (["other"], [], 0),
    ],
)
def test_tags_choose_items(run: list[str], skip: list[str], left: int) -> None:
    assert len(definition.chosen(definition.convert(ALL), run, skip)) == left


def node(name: str, state: Any, seconds: float = 1.0, message: str = "", diff: str = "") -> NodeResult:
    one = ItemResult(item="packages", state=state, seconds=seconds, message=message, diff=diff)
    return NodeResult(node=name, items=(one,))


def test_an_item_is_one_line_for_all_nodes_and_names_the_few_that_differ() -> None:
    nodes = [node(f"n{number}", "changed", number / 10) for number in range(20)]
    assert results.summary(["packages"], nodes) == ["packages: 20 nodes changed, slowest n19 1.9 s"]
    nodes[3] = node("n3", "failed", 6.0, "dnf: no space")
    assert results.summary(["packages"], nodes) == [
        "packages: 19 nodes changed, 1 node failed (n3), slowest n3 6.0 s",
        "n3: packages: dnf: no space",
    ]


def test_a_node_that_was_not_reached_has_a_line_of_its_own() -> None:
    nodes = [node("a", "ok"), NodeResult(node="b", unreachable=True, message="No route to host")]
    assert results.summary(["packages"], nodes)[1:] == ["b: No route to host"]
    assert [one.node for one in results.failed(nodes)] == ["b"]


def test_equal_differences_are_shown_once() -> None:
    nodes = [node("a", "changed", diff="+ jq\n"), node("b", "changed", diff="+ jq\n")]
    nodes.append(node("c", "changed", diff="+ pigz\n"))
    assert results.differences("packages", nodes) == [("+ jq\n", ["a", "b"]), ("+ pigz\n", ["c"])]
