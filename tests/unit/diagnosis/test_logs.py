"""Logs as they come: damaged, huge, gone; always text, and a line that says what is not whole."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from fakes import FakeAws, VirtualClock
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from log_places import Place

from kiln.diagnosis import diagnose, logs, stored_logs, unpack
from kiln.diagnosis.unpack import Limits, gunzip_end

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_URI = "s3://logs/emr/"
FOLDER = f"{LOG_URI}j-1/steps/s-1/"
SUBMITTED = logs.Log(address="place/syslog", text="Submitted application application_1_2")
SMALL = Limits(kept=100, unpacked=10_000)


def stored(**files: bytes) -> stored_logs.StoredLogs:
    aws = FakeAws(VirtualClock())
    aws.objects = {FOLDER + name.replace("_gz", ".gz"): body for name, body in files.items()}
    return stored_logs.StoredLogs(aws, LOG_URI, "j-1")


def test_a_log_is_read_whole_and_says_nothing() -> None:
    (log,) = stored(stderr_gz=gzip.compress(b"one\ntwo\n")).step("s-1")
    assert (log.text, log.note) == ("one\ntwo\n", "")


def test_a_log_of_several_gzip_members_is_one_log() -> None:
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 10
    assert gunzip_end(packed, SMALL) == (b"one\ntwo\n", 8, "")


def test_many_empty_members_are_read_in_slices_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copy of all that is left would take the square of a log's size."""
    empty = gzip.compress(b"", mtime=0)
    given: list[int] = []
    make = zlib.decompressobj

    class Member:
        def __init__(self, window: int) -> None:
            self.inner = make(window)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def decompress(self, part: bytes, most: int) -> bytes:
            given.append(len(part))
            return self.inner.decompress(part, most)

    monkeypatch.setattr(zlib, "decompressobj", Member)
    few = gzip.compress(b"one\n") + empty * 500 + b"\0" * 100_000 + gzip.compress(b"two\n")
    assert gunzip_end(few, SMALL) == (b"one\ntwo\n", 8, "")
    found = gunzip_end(gzip.compress(b"one\n") + empty * 20_000, SMALL)
    assert (found.body, found.total) == (b"one\n", 4)
    assert found.problem.startswith("it has more than 10,000 parts")
    assert max(given) <= 64 * 1024
    assert len(given) < 2 * 10_000


def damages() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    def at(place: int, value: int) -> Callable[[bytes], bytes]:
        return lambda body: body[: place % len(body)] + bytes([value]) + body[place % len(body) + 1 :]

    change = st.builds(at, st.integers(0, 10_000), st.integers(0, 255))
    cut = st.builds(lambda end: lambda body: body[: end % len(body)], st.integers(0, 10_000))
    more = st.builds(lambda tail: lambda body: body + tail, st.binary(max_size=30))
    return st.one_of(change, cut, more)


@many
@given(texts(), st.lists(damages(), max_size=3))
def test_a_damaged_log_is_text_and_a_note(text: str, harm: list[Callable[[bytes], bytes]]) -> None:
    body = text.encode(errors="replace")
    packed = gzip.compress(body, mtime=0)
    for damage in harm:
        packed = damage(packed) if packed else packed
    found = gunzip_end(packed, SMALL)
    assert len(found.body) <= SMALL.kept
    assert found.problem or found.body == (gzip.decompress(packed) if packed else b"")[-SMALL.kept :]
    found_logs = stored(stderr_gz=packed, stdout=packed).step("s-1")
    assert all(log.text or log.note for log in found_logs)
    diagnose.of_step([Place([*found_logs, logs.Log(address="a", text=text)])], "s-1")


@many
@given(st.integers(0, 3_000_000), st.integers(1, 9))
def test_a_bomb_is_unpacked_no_further_than_the_limit(size: int, level: int) -> None:
    found = gunzip_end(BOMBS[level % 3][: 20 + size // 20], SMALL)
    assert len(found.body) <= SMALL.kept
    assert found.total <= SMALL.unpacked + 2 * unpack.MIB
    assert found.problem


BOMBS = [gzip.compress(byte * 3_000_000, mtime=0) for byte in (b"\0", b"a", b"\n")]


def test_a_bomb_of_100_mb_needs_little_memory() -> None:
    code = """
import resource, sys
from kiln.diagnosis.unpack import Limits, gunzip_end
resource.setrlimit(resource.RLIMIT_AS, (256 * 1024 * 1024, 256 * 1024 * 1024))
found = gunzip_end(sys.stdin.buffer.read(), Limits())
print(len(found.body), found.total, found.problem)
"""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b"a" * 1_000_000) for _ in range(100)) + packer.flush()
    finished = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True)
    assert len(packed) < 200_000
    assert finished.stdout.split() == [b"4194304", b"100000000"]


def test_the_end_of_a_large_log_is_shown_with_what_was_left_out() -> None:
    body = random.Random(1).randbytes(3_000_000).hex().encode() + b"\nthe end\n"  # noqa: S311  # no secret
    for log in stored(stderr_gz=gzip.compress(body), stdout=body).step("s-1"):
        assert log.text.endswith("\nthe end\n")
        assert len(log.text) == 4 * unpack.MIB
        assert log.note == "the last 4.2 MB of 6.0 MB; the rest is only there"


def test_one_file_that_cannot_be_read_does_not_hide_the_others() -> None:
    aws = FakeAws(VirtualClock())
    aws.objects = {f"{FOLDER}{name}": b"text\n" for name in ("controller", "stderr", "stdout")}
    aws.faults = {2: "refused"}
    found = stored_logs.StoredLogs(aws, LOG_URI, "j-1").step("s-1")
    assert [(log.text, log.note) for log in found] == [
        ("text\n", ""),
        ("", "cannot be read: refused"),
        ("text\n", ""),
    ]


def test_a_folder_that_cannot_be_listed_is_reported() -> None:
    aws = FakeAws(VirtualClock())
    aws.every_call = "refused"
    (log,) = stored_logs.StoredLogs(aws, LOG_URI, "j-1").step("s-1")
    assert (log.address, log.note) == (FOLDER, "cannot be listed: refused")


def test_of_thousands_of_rotated_logs_some_are_read() -> None:
    found = stored(**{f"stderr-{number:04}": b"x\n" for number in range(2000)}).step("s-1")
    assert len(found) == 21
    assert found[-1].note == "1980 older files are not shown"


def test_diagnose_says_which_logs_are_damaged() -> None:
    text = gzip.compress(b"INFO nothing\n" * 1000)
    cause = diagnose.of_step([stored(stderr_gz=text[: len(text) // 2])], "s-1")
    assert "INFO nothing".startswith(cause.lines[0])
    (note,) = cause.notes
    assert note.startswith(f"{FOLDER}stderr.gz: it is truncated after ")


@pytest.mark.parametrize(
    "line",
    ["/mnt" * 1_000_000, "a." * 2_000_000, "x" * 4_000_000, "a " * 2_000_000, "/mnt/container_" * 300_000,
     "Caused by: " * 400_000, "\n" * 4_000_000, "Traceback (most recent call last):\n" * 100_000],
)  # fmt: skip
def test_a_log_that_makes_patterns_slow_is_still_read(line: str) -> None:
    head = "Traceback (most recent call last):\n  "
    texts_of = {"stderr": line, "stdout": head + line, "controller": line + " ERROR x"}
    found = [logs.Log(address=f"place/{name}", text=text) for name, text in texts_of.items()]
    diagnose.of_step([Place([*found, SUBMITTED], found, found)], "s-1")
