"""One node's connection: what it may say, how it may end, and that other nodes do not wait for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st
from node_world import USER, connection

from kiln.errors import UsageError, caught
from kiln.host_keys.known_hosts import KnownHosts
from kiln.nodes import connections
from kiln.nodes.outbox import Content
from kiln.nodes.session import Session
from kiln.nodes.work import Limits, Work, WrongAnswerError, line_of

if TYPE_CHECKING:
    from node_world import NodeWorld

    from kiln.nodes.results import NodeResult

# In the place of ssh: it is called with options, the address and the command of the node.
SSH = """#!/bin/sh
{before}
while [ $# -gt 1 ]; do shift; done
eval "$1"
"""
DEFINITION = {"check": False, "folder": "", "items": []}


def file(node: NodeWorld) -> dict[str, Any]:
    node.blobs["secrets"] = b"canary-4f1c"
    path = str(node.root / "home/file")
    return {"kind": "secret_file", "path": path, "owner": USER, "blob": "secrets", "mode": 0o600}


def by_ssh(node: NodeWorld, name: str, before: str = "", **changes: Any) -> connections.Connection:
    program = node.program(f"ssh-{name}", SSH.format(before=before))
    return connection(name, kind="ssh", address=name, executable=str(program), **changes)


def test_a_node_that_does_not_answer_names_its_security_groups(node: NodeWorld) -> None:
    node.limits = Limits(connect_seconds=0)
    words = "ssh: connect to host far port 22: Connection timed out"
    (ended,) = node.apply(file(node), nodes=(by_ssh(node, "far", f"echo '{words}' >&2; exit 255"),))
    assert ended.state == "unreachable"
    assert ended.problem == f"{words}: do the node's security groups let this machine reach port 22?"


def test_a_node_that_refuses_is_unreachable_and_the_others_are_done(node: NodeWorld) -> None:
    dead = by_ssh(node, "dead", "echo 'ssh: connect to host dead port 22: No route to host' >&2; exit 255")
    ended = node.apply(file(node), nodes=(dead, by_ssh(node, "well")))
    assert [(one.node, one.state) for one in ended] == [("dead", "unreachable"), ("well", "changed")]
    assert ended[0].problem == "ssh: connect to host dead port 22: No route to host"


def test_a_node_whose_sshd_comes_late_is_connected_to_again(node: NodeWorld) -> None:
    node.limits = Limits(retry_seconds=0)
    seen = node.root / "seen"
    late = f"echo x >> {seen}; [ $(wc -l < {seen}) -lt 3 ] && {{ echo Connection refused >&2; exit 255; }}"
    (ended,) = node.apply(file(node), nodes=(by_ssh(node, "late", late),))
    assert ended.state == "changed"
    assert len(seen.read_text().splitlines()) == 3


def test_a_node_whose_host_key_has_changed_is_left_out_with_file_and_command(node: NodeWorld) -> None:
    known = KnownHosts(folder=node.root / "known hosts", cluster_id="j-1")
    options = tuple(word for one in known.options("i-1") for word in ("-o", one))
    changed = by_ssh(node, "odd", "echo 'Host key verification failed.' >&2; exit 255", options=options)
    ended = node.apply(file(node), nodes=(changed, by_ssh(node, "well")))
    assert [(one.node, one.state) for one in ended] == [("odd", "unreachable"), ("well", "changed")]
    assert f"not the one in {known.file}, where it is called i-1" in ended[0].problem
    assert ended[0].problem.endswith(f"ssh-keygen -f '{known.file}' -R i-1")


@pytest.mark.parametrize("words", ["Permission denied (publickey).", "Host key verification failed."])
def test_what_waiting_does_not_correct_is_not_tried_again(node: NodeWorld, words: str) -> None:
    node.limits = Limits(retry_seconds=0)
    seen = node.root / "seen"
    (ended,) = node.apply(
        file(node), nodes=(by_ssh(node, "n", f"echo x >> {seen}; echo '{words}' >&2; exit 255"),)
    )
    assert (ended.state, ended.problem) == ("unreachable", words)
    assert len(seen.read_text().splitlines()) == 1


def test_a_node_that_says_nothing_is_stopped(node: NodeWorld) -> None:
    node.limits = Limits(silence_seconds=0.3)
    (ended,) = node.apply(file(node), nodes=(by_ssh(node, "hangs", "exec sleep 600"),))
    assert ended.state == "failed"
    assert "no sign of life" in ended.problem


def test_a_node_that_takes_too_long_is_stopped_although_it_lives(node: NodeWorld) -> None:
    node.limits = Limits(seconds=0.3)
    (ended,) = node.apply(file(node), nodes=(by_ssh(node, "slow", "exec sleep 600"),))
    assert "taken longer" in ended.problem


def test_a_node_that_refuses_sudo_is_named_with_the_reason(node: NodeWorld) -> None:
    refusing = by_ssh(node, "n", "echo 'sudo: a password is required' >&2; exit 1")
    (ended,) = node.apply(file(node), nodes=(refusing,))
    assert (ended.state, ended.problem) == ("failed", "sudo: a password is required")


def test_what_a_login_script_prints_is_not_taken_for_an_answer(node: NodeWorld) -> None:
    (ended,) = node.apply(file(node), nodes=(by_ssh(node, "n", "echo hello; echo '{\"end\": true}'"),))
    assert ended.state == "changed"


def test_content_that_the_control_host_lost_meanwhile_ends_the_node_with_its_name(node: NodeWorld) -> None:
    wanted = file(node)
    node.blobs["secrets"] = node.root / "gone"
    (ended,) = node.apply(wanted, nodes=(by_ssh(node, "n"),))
    assert ended.state == "failed"
    assert ended.problem.startswith("the control host has not sent what it asked for, at secret_file: ")
    assert f"{node.root}/gone" in ended.problem


def test_a_later_item_is_left_when_one_fails(node: NodeWorld) -> None:
    wrong = file(node) | {"owner": "nobody-at-all"}
    (ended,) = node.apply(wrong, file(node))
    assert [item.state for item in ended.items] == ["failed"]


@many
@given(
    line=st.one_of(texts().map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=80))
)
def test_a_line_that_is_none_is_a_wrong_answer(line: bytes) -> None:
    with suppress(WrongAnswerError):
        assert line_of(line) is not None


KEYS = ("item", "state", "seconds", "message", "diff", "need", "got", "ask", "built", "end")
SAID = st.dictionaries(
    st.sampled_from(KEYS), st.one_of(st.integers(-2, 5), texts(), st.booleans(), documents()), max_size=5
)


@many
@given(said=st.lists(SAID, max_size=4))
def test_no_answer_of_a_node_gets_what_is_not_its_own_or_makes_a_failure_a_success(
    said: list[dict[str, Any]],
) -> None:
    """Only named content is sent, items count in their order, words are shown without control characters."""
    result, sent = asyncio.run(answered(said))
    assert len(result.items) <= 1
    for item in result.items:
        assert item.message.isprintable()
    assert sent <= {b"own"}
    if not result.items:
        assert result.state == "failed"


async def answered(said: list[dict[str, Any]]) -> tuple[NodeResult, set[bytes]]:
    """Return the result of a session that has got these lines, and the content that it was to send."""
    work = Work(labels=("file",), definition={}, blobs={"own": b"own"}, limits=Limits())
    session = Session(connection("n"), work, asyncio.Semaphore(1))
    problem = ""
    try:
        for document in said:
            await session._handle(line_of(msgspec.json.encode(document)))
    except (WrongAnswerError, TypeError, ValueError) as error:
        problem = f"its answer cannot be read: {error}"
    parts = [session._outbox._parts.get_nowait() for _ in range(session._outbox._parts.qsize())]
    sent = {part.blob for part in parts if isinstance(part, Content) and isinstance(part.blob, bytes)}
    session._has_begun = True
    return session._result(0 if session._has_ended and session._items else 1, problem), sent


VARIABLES = {
    "connection": "ssh",
    "host": "10.0.0.5",
    "port": "",
    "remote_user": "hadoop",
    "private_key_file": "",
    "ssh_args": "",
    "ssh_common_args": "",
    "ssh_extra_args": "",
    "ssh_executable": "",
    "timeout": "10",
    "control_path": "",
    "control_path_dir": "~/.ansible/cp",
    "interpreter": "/usr/bin/python3",
}


@many
@given(text=texts("10.0.0.5"))
def test_an_address_is_never_taken_for_an_option_of_ssh(text: str) -> None:
    made: list[connections.Connection] = []
    error = caught(lambda: made.append(connections.make("n", VARIABLES | {"host": text}, as_root=True)))
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        return
    command = made[0].command(DEFINITION, "token")
    assert command[command.index("--") + 1] == (text or "n")
    assert not command[command.index("--") + 1].startswith("-")


def test_options_of_the_user_come_before_kiln_s_own() -> None:
    """Of two values for one option ssh takes the first."""
    own = {"ssh_common_args": "-o KexAlgorithms=mine -o 'ProxyCommand=ssh -W %h:%p bastion'"}
    command = connections.make("n", VARIABLES | own, as_root=True).command(DEFINITION, "token")
    assert command.index("KexAlgorithms=mine") < command.index("KexAlgorithms=^curve25519-sha256")
    assert "ProxyCommand=ssh -W %h:%p bastion" in command
    assert command[-1].startswith("exec sudo -n -H -- /usr/bin/python3 -IS -c ")
