"""Which host keys ssh accepts of a node: those of its console, else those of the first contact."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeAws

from kiln.errors import AwsError, InterruptedRunError
from kiln.host_keys import known_hosts, pinning
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.context import Context

NODES = {f"i-{number:08x}": f"10.0.0.{number}" for number in range(1, 5)}
FIRST = next(iter(NODES))


def block(*lines: str) -> str:
    return "\n".join(
        ["booting", "-----BEGIN SSH HOST KEY KEYS-----", *lines, "-----END SSH HOST KEY KEYS-----"]
    )


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(folder=tmp_path / "known_hosts", cluster_id="j-1")


def record(known: KnownHosts) -> list[dict[str, Any]]:
    return [json.loads(line) for line in known.record.read_text().splitlines()]


def test_a_key_of_the_console_is_the_only_one_that_ssh_accepts(
    aws: FakeAws, context: Context, known: KnownHosts, lines: list[str]
) -> None:
    aws.consoles = {(name, True): block(*lines) for name in NODES}
    decided = pinning.pin(context, known, NODES)
    assert pinning.lines(decided) == ["host keys: 4 nodes pinned from EC2's console output"]
    assert {known.checking(name) for name in NODES} == {"yes"}
    found = subprocess.run(
        ["ssh-keygen", "-F", FIRST, "-f", known.file], capture_output=True, text=True, check=True
    )
    assert [line for line in found.stdout.splitlines() if line[0] != "#"] == [
        f"{FIRST} {line.rpartition(' ')[0]}" for line in lines
    ]
    assert [(one["instance_id"], one["address"], one["source"]) for one in record(known)] == [
        (name, address, "console output") for name, address in NODES.items()
    ]
    assert {known.file.stat().st_mode & 0o777, known.record.stat().st_mode & 0o777} == {0o600}


def test_a_node_whose_key_is_known_is_not_asked_about_again(
    aws: FakeAws, context: Context, known: KnownHosts, lines: list[str]
) -> None:
    aws.consoles = {(name, True): block(*lines) for name in NODES}
    pinning.pin(context, known, {FIRST: NODES[FIRST]})
    aws.calls.clear()
    assert [one.instance_id for one in pinning.pin(context, known, NODES)] == list(NODES)[1:]
    assert aws.calls == ["GetConsoleOutput"] * 3
    assert pinning.pin(context, known, NODES) == []


def test_a_key_that_somebody_has_removed_is_not_pinned_again_from_the_old_console(
    aws: FakeAws, context: Context, known: KnownHosts, lines: list[str]
) -> None:
    aws.consoles = {(name, True): block(*lines) for name in NODES}
    pinning.pin(context, known, NODES)
    subprocess.run(["ssh-keygen", "-f", known.file, "-R", FIRST], capture_output=True, check=True)
    with known.record.open("a") as record:
        record.write('{"instance_id": "i-')
    decided = pinning.pin(context, known, NODES)
    assert [(one.source, one.reason) for one in decided] == [
        ("first contact", "the key that was pinned has been removed from the file")
    ]
    assert known.checking(FIRST) == "accept-new"


def test_what_ec2_has_kept_from_the_start_is_asked_for_when_the_latest_output_has_no_keys(
    aws: FakeAws, context: Context, known: KnownHosts, lines: list[str]
) -> None:
    aws.consoles = {(FIRST, True): "login: ", (FIRST, False): block(lines[0])}
    assert [one.source for one in pinning.pin(context, known, {FIRST: NODES[FIRST]})] == ["console output"]


def test_a_type_that_has_no_latest_output_is_asked_for_the_other(
    context: Context, known: KnownHosts, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def console_output(_self: FakeAws, _name: str, *, latest: bool) -> str:
        if latest:
            raise AwsError("not on this type", code="UnsupportedOperation", operation="GetConsoleOutput")
        return block(lines[0])

    monkeypatch.setattr(FakeAws, "console_output", console_output)
    assert {one.source for one in pinning.pin(context, known, NODES)} == {"console output"}


def test_without_keys_on_the_console_the_first_contact_decides_and_that_is_recorded(
    aws: FakeAws, context: Context, known: KnownHosts
) -> None:
    decided = pinning.pin(context, known, {FIRST: NODES[FIRST]})
    assert aws.calls == ["GetConsoleOutput"] * 2
    assert known.checking(FIRST) == "accept-new"
    assert pinning.lines(decided) == [
        "host keys: 1 node (10.0.0.1) accepted at first contact: its console output has no host keys"
    ]
    assert [(one["source"], one["reason"]) for one in record(known)] == [
        ("first contact", "its console output has no host keys")
    ]


def test_without_the_permission_one_call_is_refused_and_not_one_a_node(
    context: Context, known: KnownHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def console_output(_self: FakeAws, name: str, *, latest: bool) -> str:
        asked.append((name, latest))
        raise AwsError("not authorized", code="UnauthorizedOperation", operation="GetConsoleOutput")

    monkeypatch.setattr(FakeAws, "console_output", console_output)
    decided = pinning.pin(context, known, NODES)
    assert asked == [(FIRST, True)]
    assert pinning.lines(decided) == ["host keys: 4 nodes accepted at first contact: not authorized"]


def test_an_ec2_that_does_not_answer_holds_nobody_up_for_longer_than_its_time(
    aws: FakeAws, context: Context, known: KnownHosts
) -> None:
    aws.every_call = "throttled"
    before = context.clock.monotonic()
    assert {one.source for one in pinning.pin(context, known, NODES)} == {"first contact"}
    assert context.clock.monotonic() - before < 60


def test_a_signal_ends_the_pinning(
    context: Context, known: KnownHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def console_output(_self: FakeAws, _name: str, *, latest: bool) -> str:
        raise InterruptedRunError(f"SIGTERM, {latest}")

    monkeypatch.setattr(FakeAws, "console_output", console_output)
    with pytest.raises(InterruptedRunError):
        pinning.pin(context, known, NODES)


def test_a_known_hosts_file_that_is_a_link_is_not_written_to(
    aws: FakeAws, context: Context, known: KnownHosts, lines: list[str], tmp_path: Path
) -> None:
    aws.consoles = {(FIRST, True): block(lines[0])}
    known.folder.mkdir(mode=0o700)
    known.file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="j-1"):
        pinning.pin(context, known, {FIRST: NODES[FIRST]})
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("said", "is_refusal"),
    [
        ("Host key verification failed.", True),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", True),
        ("Permission denied (publickey).", False),
        ("", False),
    ],
)
def test_a_refused_key_is_explained_with_file_and_command(
    known: KnownHosts, said: str, *, is_refusal: bool
) -> None:
    line = known_hosts.problem(said, ["-o", *known.options(FIRST)])
    assert bool(line) is is_refusal
    if is_refusal:
        assert line.startswith("its SSH host key is not the one in ")
        assert line.endswith(f"ssh-keygen -f {known.file} -R {FIRST}")
