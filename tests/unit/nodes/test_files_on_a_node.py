"""Plain files and settings of the kernel on a node: whole or not at all, compared first, shown with care."""

from __future__ import annotations

import getpass
import grp
import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kiln.nodes import definition, program, question

if TYPE_CHECKING:
    from node_world import NodeWorld

USER, GROUP = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name


def file(node: NodeWorld, path: Path, content: bytes, **changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    node.blobs[digest] = content
    row = {"path": str(path), "owner": USER, "group": GROUP, "mode": 0o644, "size": len(content)}
    return row | {"sha256": digest} | changes


def files(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "files", "files": rows}


def test_files_are_written_with_their_folders_and_then_left_alone(node: NodeWorld) -> None:
    text, table = node.root / "etc/new/team.conf", node.root / "etc/table"
    item = files(file(node, text, b"a\nb\n", mode=0o640), file(node, table, bytes(range(256)), mode=0o755))
    written = node.one(item)
    assert (written.state, written.diff) == ("changed", f"+ {text}\n+ {table}\n")
    assert (text.read_bytes(), table.read_bytes()) == (b"a\nb\n", bytes(range(256)))
    assert [one.stat().st_mode & 0o777 for one in (text, table, text.parent)] == [0o640, 0o755, 0o755]
    assert os.listdir(text.parent) == [text.name]  # noqa: PTH208  # also what begins with a dot
    node.blobs.clear()
    (ended,) = node.apply(item)
    assert [one.state for one in ended.items] == ["ok"]


def test_the_shell_answers_where_files_are_right_and_no_program_is_started(node: NodeWorld) -> None:
    path = node.root / "etc/it+is=one"
    item = files(file(node, path, b"a\n"))
    node.one(item)

    def said() -> str:
        command = question.command(["echo", "the program"], {"items": [item]}, "token")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert said() == 'token {"item": 0}\ntoken {"end": true}\n'
    for change in (
        lambda: path.write_text("b\n"),
        lambda: path.chmod(0o600),
        path.unlink,
        lambda: path.rename(path.with_name("other")),
        lambda: path.with_name("second").hardlink_to(path),
    ):
        change()
        assert said() == "the program\n"
        node.one(item)
        assert said().startswith("token")


def test_the_difference_has_the_lines_of_a_text_that_everybody_may_read(node: NodeWorld) -> None:
    path = node.root / "team.conf"
    new = node.one(files(file(node, path, b"a\nb\n")))
    assert new.diff == f"+ {path}\n@@ -0,0 +1,2 @@\n+a\n+b\n"
    changed = node.one(files(file(node, path, b"a\nc\n")), check=True)
    assert changed.diff == f"~ {path}\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert path.read_bytes() == b"a\nb\n"
    for secret in (b"a\nc\n", b"a\0c\n"):
        hidden = files(file(node, path, secret, mode=0o600 if b"\0" not in secret else 0o644))
        assert node.one(hidden, check=True).diff == f"~ {path}\n"
    path.chmod(0o600)
    assert node.one(files(file(node, path, b"a\nc\n"))).diff == f"~ {path}\n"


def test_owner_and_mode_are_corrected_without_the_content_being_sent(node: NodeWorld) -> None:
    path = node.root / "team.conf"
    item = files(file(node, path, b"a\n"))
    node.one(item)
    node.blobs.clear()
    path.chmod(0o666)
    assert node.one(item).state == "changed"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_link_is_replaced_and_a_folder_is_refused_with_its_path(node: NodeWorld) -> None:
    path = node.root / "team.conf"
    (node.root / "other").write_text("other")
    path.symlink_to(node.root / "other")
    node.one(files(file(node, path, b"a\n")))
    assert not path.is_symlink()
    assert (node.root / "other").read_text() == "other"
    path.unlink()
    path.mkdir()
    assert node.one(files(file(node, path, b"a\n"))).message == f"{path}: Is a directory"
    assert os.listdir(node.root / "team.conf") == []  # noqa: PTH208


def test_no_link_is_followed_in_a_folder_where_others_may_write(node: NodeWorld) -> None:
    shared = node.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (node.root / "target").mkdir()
    (shared / "link").symlink_to(node.root / "target")
    refused = node.one(files(file(node, shared / "link/team.conf", b"a\n")))
    assert refused.state == "failed"
    assert list((node.root / "target").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner": "nobody-at-all"}, "there is no user nobody-at-all on the node"),
        ({"group": "no-group-at-all"}, "there is no group no-group-at-all on the node"),
    ],
)
def test_an_unknown_owner_is_named(node: NodeWorld, changes: dict[str, Any], words: str) -> None:
    path = node.root / "team.conf"
    assert node.one(files(file(node, path, b"a\n", **changes))).message == f"{path}: {words}"
    assert not path.exists()


def test_content_with_another_digest_is_not_written(node: NodeWorld) -> None:
    path = node.root / "team.conf"
    row = file(node, path, b"a\n")
    node.blobs[row["sha256"]] = b"b\n"
    assert "has another SHA-256" in node.one(files(row)).message
    assert not path.exists()


@pytest.fixture
def kernel(node: NodeWorld) -> Path:
    """A folder in the place of /proc/sys with one setting, whose numbers have tabs between them."""
    folder = node.root / "proc/net/ipv4"
    folder.mkdir(parents=True)
    (folder / "tcp_rmem").write_text("1\t2\t3\n")
    return node.root / "proc"


def settings(node: NodeWorld, kernel: Path, values: dict[str, str]) -> dict[str, Any]:
    text = "".join(f"{name} = {value}\n" for name, value in values.items()).encode()
    kept = file(node, node.root / "90-kiln.conf", text)
    return {"kind": "system_settings", "kernel": values, "folder": str(kernel), "files": [kept]}


def test_the_kernel_gets_what_differs_and_the_file_keeps_it(node: NodeWorld, kernel: Path) -> None:
    item = settings(node, kernel, {"net.ipv4.tcp_rmem": "4 5 6"})
    checked = node.one(item, check=True)
    assert checked.diff.startswith("- net.ipv4.tcp_rmem = 1 2 3\n+ net.ipv4.tcp_rmem = 4 5 6\n+ ")
    assert not (node.root / "90-kiln.conf").exists()
    assert node.one(item).diff == checked.diff
    assert (kernel / "net/ipv4/tcp_rmem").read_text() == "4 5 6\n"
    assert (node.root / "90-kiln.conf").read_text() == "net.ipv4.tcp_rmem = 4 5 6\n"
    (kernel / "net/ipv4/tcp_rmem").write_text("4\t5\t6\n")
    assert node.one(item).state == "ok"
    (kernel / "net/ipv4/tcp_rmem").write_text("4\t5\t7\n")
    assert node.one(item).diff == "- net.ipv4.tcp_rmem = 4 5 7\n+ net.ipv4.tcp_rmem = 4 5 6\n"


def test_what_the_kernel_refuses_is_named_and_is_in_no_file(node: NodeWorld, kernel: Path) -> None:
    unknown = node.one(settings(node, kernel, {"net.ipv4.nothing": "1"}))
    assert unknown.message == "net.ipv4.nothing = 1: the node's kernel has no such setting"
    (kernel / "net/ipv4/folder").mkdir()
    refused = node.one(settings(node, kernel, {"net.ipv4.folder": "1"}))
    assert refused.message == "net.ipv4.folder = 1: the kernel refuses it: Is a directory"
    assert not (node.root / "90-kiln.conf").exists()


def test_a_value_that_the_kernel_changes_is_a_failure(node: NodeWorld) -> None:
    item = settings(node, Path("/dev"), {"null": "1"})
    refused = node.one(item)
    assert refused.message == "null = 1: the kernel has nothing after that"


def test_only_what_is_wanted_is_sent(node: NodeWorld) -> None:
    def sent(*items: dict[str, Any]) -> bytes:
        return program.source({"items": items})

    assert b"unified_diff" not in sent({"kind": "packages"}, {"kind": "secret_file"})
    assert b"unified_diff" in sent(files(file(node, node.root / "x", b"")))
    assert len(sent()) < len(sent({"kind": "files"})) < len(sent({"kind": "system_settings"}))


def test_the_definition_of_system_settings_names_their_files() -> None:
    wanted = {"kernel": {"vm.swappiness": 1}, "limits": {"hadoop": {"nofile": 65536}}}
    (item,) = definition.convert([{"kind": "system_settings", "settings": wanted}])
    document = definition.document_of(item)
    assert document["kernel"] == {"vm.swappiness": "1"}
    assert [one["path"] for one in document["files"]] == [
        "/etc/sysctl.d/90-kiln.conf",
        "/etc/security/limits.d/90-kiln.conf",
    ]
    held = definition.contents(item)
    assert [held[one["sha256"]].decode().splitlines()[1:] for one in document["files"]] == [
        ["vm.swappiness = 1"],
        ["hadoop - nofile 65536"],
    ]
