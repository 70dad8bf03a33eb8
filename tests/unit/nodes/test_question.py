"""The question to a node's shell: it answers only where the program would find nothing to do."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from kiln.nodes import program, question
from kiln.nodes.on_node import environment, packages, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node_world import NodeWorld

COMMIT, OTHER = "a" * 40, "b" * 40
PROGRAM = "the program"
RPM = """#!/bin/sh
[ "$*" = "-q --whatprovides -- there" ]
"""
SECRETS = {"kind": "secret_file", "path": "/p", "owner": "hadoop", "blob": "secrets", "mode": 0o600}


@pytest.fixture(autouse=True)
def _rpm(node: NodeWorld) -> None:
    node.program("rpm", RPM)


def answer(*items: dict[str, Any]) -> list[Any]:
    """Ask; return what the shell says in the place of the program, or its word that the program runs."""
    command = question.command(["echo", PROGRAM], {"items": items}, "token")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    if said == [PROGRAM]:
        return said
    return [json.loads(line.removeprefix("token ")) for line in said]


def environment_item(root: Path) -> dict[str, Any]:
    return {
        "kind": "environment",
        "path": str(root / "it's one"),
        "python_version": "3.11",
        "archives": "s3://b",
    }


def release_item(root: Path) -> dict[str, Any]:
    return {"kind": "release", "root": str(root / "models $(x)"), "commit": COMMIT, "sha256": "", "kept": 3}


def fill(root: Path) -> None:
    """Put both there, whole."""
    made = root / "it's one"
    made.mkdir()
    (made / environment.MARKER).touch()
    filled = root / "models $(x)/releases" / COMMIT
    filled.mkdir(parents=True)
    (filled / release.LAST).write_text(COMMIT)
    (root / "models $(x)/current").symlink_to(f"releases/{COMMIT}")


def packages_item(*names: str) -> dict[str, Any]:
    return {"kind": "packages", "names": names, "lock_timeout_seconds": 1}


def test_the_shell_answers_for_each_item_when_all_are_there(node: NodeWorld) -> None:
    fill(node.root)
    items = packages_item("there"), environment_item(node.root), release_item(node.root)
    assert answer(*items) == [{"item": 0}, {"item": 1}, {"item": 2}, {"end": True}]
    (ended,) = node.apply(*items)
    assert [(one.item, one.state) for one in ended.items] == [
        ("packages", "ok"),
        ("environment", "ok"),
        ("release", "ok"),
    ]
    assert ended.state == "ok"


def no_marker(root: Path) -> None:
    (root / "it's one" / environment.MARKER).unlink()


def folder_for_marker(root: Path) -> None:
    no_marker(root)
    (root / "it's one" / environment.MARKER).mkdir()


def unfinished_release(root: Path) -> None:
    (root / "models $(x)/releases" / COMMIT / release.LAST).unlink()


def longer_release(root: Path) -> None:
    (root / "models $(x)/releases" / COMMIT / release.LAST).write_text(f"{COMMIT}\n")


def other_release(root: Path) -> None:
    link = root / "models $(x)/current"
    link.unlink()
    link.symlink_to(f"releases/{OTHER}")


def folder_for_link(root: Path) -> None:
    link = root / "models $(x)/current"
    link.unlink()
    shutil.copytree(root / "models $(x)/releases" / COMMIT, link)


@pytest.mark.parametrize(
    "change",
    [no_marker, folder_for_marker, unfinished_release, longer_release, other_release, folder_for_link],
)
def test_the_program_runs_whenever_it_would_find_something_to_do(
    node: NodeWorld, change: Callable[[Path], None]
) -> None:
    fill(node.root)
    change(node.root)
    items = environment_item(node.root), release_item(node.root)
    assert answer(*items) == [PROGRAM]
    (ended,) = node.apply(*items, check=True)
    assert "changed" in [one.state for one in ended.items]


def test_a_package_that_is_missing_is_left_to_the_program(node: NodeWorld) -> None:
    assert node.root.is_dir()
    assert answer(packages_item("there", "missing")) == [PROGRAM]
    assert packages.apply(packages_item("there", "missing"), check=True).changed


def test_a_file_of_secrets_is_left_to_the_program_and_is_in_no_argument() -> None:
    command = question.command([PROGRAM], {"items": [packages_item("there"), SECRETS]}, "token")
    assert command == [PROGRAM]


@pytest.mark.parametrize("items", [(), (packages_item(),)])
def test_where_nothing_is_wanted_nothing_is_changed(
    node: NodeWorld, items: tuple[dict[str, Any], ...]
) -> None:
    (ended,) = node.apply(*items)
    assert [one.state for one in ended.items] == ["ok"] * len(items)
    assert not ended.message


def test_rpm_is_not_asked_where_something_else_is_missing(node: NodeWorld) -> None:
    asked = node.root / "asked"
    node.program("rpm", f"#!/bin/sh\ntouch {asked}\n")
    assert answer(packages_item("there"), environment_item(node.root)) == [PROGRAM]
    assert not asked.exists()


def test_nobody_becomes_root_where_nothing_is_to_be_done(node: NodeWorld) -> None:
    node.program("sudo", "#!/bin/sh\necho as root\n")
    wanted = {"items": [release_item(node.root)]}
    command = program.command("python3", wanted, "token", as_root=True)

    def said() -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert said() == "as root\n"
    fill(node.root)
    assert said() == 'token {"item": 0}\ntoken {"end": true}\n'
