"""Logs that are followed: each byte once, whatever pieces it comes in and from which place."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.aws.effects import ObjectSummary
from kiln.diagnosis import log_files, stored_rest
from kiln.diagnosis.log_files import LogFile
from kiln.diagnosis.stored_rest import StoredRest
from kiln.display import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context

BASE = "s3://logs/emr/j-1/"
KEY = "steps/s-1/stderr"


@many
@given(text=texts("line\n", "äöü\n", "no end"), seed=st.integers())
def test_pieces_of_any_size_and_any_overlap_give_the_text_once(text: str, seed: int) -> None:
    body = text.encode(errors="replace")
    chance, file, lines = random.Random(seed), LogFile(KEY), list[str]()  # noqa: S311  # sizes of pieces
    while file.position < len(body):
        # As after a lost connection, or the change to S3: some of it is known already.
        begin = max(0, file.position - chance.randint(0, 9))
        lines += file.take(begin, body[begin : begin + chance.randint(10, 20 + len(body) // 4)])
    found = "\n".join([*lines, file.flush()])
    assert found == body.decode(errors="replace")


def test_a_file_that_begins_anew_on_its_node_goes_on_in_the_log() -> None:
    file = LogFile(KEY)
    lines = [*file.take_from_node(0, b"one\n"), *file.take_from_node(4, b"two\n")]
    lines += [*file.take_from_node(0, b"three\n"), *file.take_from_node(6, b"four\n")]
    assert (lines, file.position) == (["one", "two", "three", "four"], 19)
    # As S3 has it: the older part, and the newest one.
    assert list(file.take(0, b"one\ntwo\nthree\nfour\nfive\n")) == ["five"]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    file = LogFile(KEY)
    shown = [line for _ in range(10) for line in file.take(file.position, b"x" * 60_000)]
    assert len(shown) == 5
    assert len("".join(shown)) + len(file.flush()) == 600_000


def test_a_followed_line_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    file = LogFile(KEY)
    for line in file.take(0, "é\x1b[2J\u202e\n".encode() + b"\xffb\nlast"):
        terminal.out_text(f"{line}\n")
    terminal.out_text(file.flush())
    assert capsys.readouterr().out == "é\\x1b[2J\\u202e\n\ufffdb\nlast"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/mnt/var/log/hadoop/steps/s-1/stderr", "steps/s-1/stderr"),
        (
            "/mnt/var/log/hadoop-yarn/containers/application_1_2/container_1/stdout",
            "containers/application_1_2/container_1/stdout",
        ),
        ("/etc/passwd", ""),
        ("/mnt/var/log/hadoop/steps-of-others/x", ""),
    ],
)
def test_a_nodes_file_has_the_name_that_s3_gives_it(path: str, key: str) -> None:
    assert log_files.key_of(path) == key


def put(aws: FakeAws, key: str, text: str) -> None:
    aws.objects[f"{BASE}{key}.gz"] = gzip.compress(text.encode())


def rest(context: Context, files: dict[str, LogFile], shown: list[str]) -> StoredRest:
    def show(_file: LogFile, lines: Iterator[str]) -> None:
        shown.extend(lines)

    return StoredRest(context=context, base=BASE, files=files, show=show)


def read(reader: StoredRest, *applications: str) -> str:
    return reader.read("s-1", ("stderr", "stdout"), "container_*_000001", list(applications))


def test_rotated_parts_come_in_their_order_before_the_newest(context: Context, aws: FakeAws) -> None:
    put(aws, f"{KEY}.2026-11-20-15", "two\n")
    put(aws, KEY, "three\n")
    put(aws, f"{KEY}.2026-11-20-14", "one\n")
    put(aws, "steps/s-1/controller", "not asked for\n")
    file, shown = LogFile(KEY), list[str]()
    list(file.take(0, b"one\nt"))
    assert read(rest(context, {KEY: file}, shown)) == ""
    assert shown == ["two", "three"]


def test_what_s3_lacks_of_the_lines_that_were_shown_is_waited_for(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    file, shown = LogFile(KEY), list[str]()
    list(file.take(0, b"one\ntwo\n"))
    put(aws, KEY, "one\n")

    def push(_: int) -> None:
        if clock.seconds > 60:
            put(aws, KEY, "one\ntwo\nthree\n")

    aws.before_call = push
    assert read(rest(context, {KEY: file}, shown)) == ""
    assert shown == ["three"]
    assert clock.seconds < 90


def test_what_s3_never_has_is_named(context: Context, aws: FakeAws) -> None:
    file = LogFile(KEY)
    list(file.take(0, b"one\ntwo\n"))
    put(aws, KEY, "one\n")
    assert read(rest(context, {KEY: file}, [])) == f"S3 has less of {KEY} than was shown"
    assert read(rest(context, {}, [])) == ""
    aws.objects.clear()
    assert read(rest(context, {}, [])) == "S3 has no logs of step s-1"


def test_a_damaged_object_is_named_with_the_reason(context: Context, aws: FakeAws) -> None:
    aws.objects[f"{BASE}{KEY}.gz"] = gzip.compress(b"one\n")[:-9]
    assert f"{BASE}{KEY}.gz cannot be unpacked" in read(rest(context, {}, []))


def test_only_containers_of_drivers_are_read(context: Context, aws: FakeAws) -> None:
    put(aws, KEY, "submitted\n")
    for number in (1, 2):
        put(aws, f"containers/application_1_2/container_1_2_01_00000{number}/stdout", f"{number}\n")
    shown: list[str] = []
    assert read(rest(context, {}, shown), "application_1_2") == ""
    assert shown == ["submitted", "1"]


@many
@given(name=texts("steps/s-1/stderr.gz", "steps/s-1/stderr.2026-11-20-14.gz"))
def test_objects_of_any_name_are_logs_or_left_out(name: str) -> None:
    class Listing:
        def list_objects(self, uri: str) -> list[ObjectSummary]:
            return [ObjectSummary(uri=f"{uri}{name}", size=1, modified_at=None)]  # type: ignore[arg-type]  # not read

    found = stored_rest.parts(Listing(), BASE, "", ("stderr",))  # type: ignore[arg-type]  # one call of it
    assert all(key.endswith("/stderr") for key in found)
