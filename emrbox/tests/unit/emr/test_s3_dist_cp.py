"""What s3-dist-cp on a node asks Hadoop for; the copying itself is tested on a real cluster."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from emrbox.emr.machines.on_node import s3_dist_cp

LISTING = """\
drwxr-xr-x   - hadoop hdfsadmingroup          0 2026-11-20 10:00 hdfs:///out/day
-rw-r--r--   3 hadoop hdfsadmingroup         12 2026-11-20 10:00 hdfs:///out/day/a part.csv
-rw-r--r--   3 hadoop hdfsadmingroup          4 2026-11-20 10:00 hdfs:///out/day/b.log
"""


class Hadoop:
    """Answers in Hadoop's place, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.filters = ""
        self.fails = ""

    def run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(command[1:])
        if "-filters" in command:
            self.filters = Path(command[command.index("-filters") + 1]).read_text()
        if self.fails in command:
            raise subprocess.CalledProcessError(2, command)
        return subprocess.CompletedProcess(command, 0, stdout=LISTING)


@pytest.fixture
def hadoop(monkeypatch: pytest.MonkeyPatch) -> Hadoop:
    made = Hadoop()
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["s3-dist-cp", *arguments])
    return s3_dist_cp.main()


def test_all_of_a_folder_is_one_copy(monkeypatch: pytest.MonkeyPatch, hadoop: Hadoop) -> None:
    assert call(monkeypatch, "--src=s3://b/in/", "--dest", "hdfs:///raw/") == 0
    assert hadoop.asked == [["distcp", "-overwrite", "s3://b/in/", "hdfs:///raw/"]]


def test_a_pattern_leaves_out_the_files_that_it_does_not_match(
    monkeypatch: pytest.MonkeyPatch, hadoop: Hadoop
) -> None:
    assert call(monkeypatch, "--src", "/out", "--dest", "s3://b/x", "--srcPattern", r".*\.csv") == 0
    assert [line[:2] for line in hadoop.asked] == [["fs", "-ls"], ["distcp", "-overwrite"]]
    assert hadoop.filters == "([a-z0-9]+:)?(//[^/]*)?\\Q/out/day/b.log\\E\n"


def test_only_what_was_copied_is_deleted(monkeypatch: pytest.MonkeyPatch, hadoop: Hadoop) -> None:
    arguments = ("--src", "/out", "--dest", "s3://b/x", "--srcPattern", r".*\.log", "--deleteOnSuccess")
    assert call(monkeypatch, *arguments) == 0
    assert hadoop.asked[-1] == ["fs", "-rm", "-skipTrash", "hdfs:///out/day/b.log"]


def test_nothing_is_deleted_after_a_copy_that_failed(
    monkeypatch: pytest.MonkeyPatch, hadoop: Hadoop, capsys: pytest.CaptureFixture[str]
) -> None:
    hadoop.fails = "distcp"
    assert call(monkeypatch, "--src", "/out", "--dest", "s3://b/x", "--deleteOnSuccess") == 1
    assert not [line for line in hadoop.asked if "-rm" in line]
    assert capsys.readouterr().err.startswith("s3-dist-cp: /out was not copied: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--src", "/a", "--dest", "/b", "--groupBy=.*"], "--groupBy is not available in this region"),
        (["--src", "/a", "--dest", "/b", "--srcPattern", "("], "--srcPattern is no regular expression"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(said)):
        s3_dist_cp.wanted(arguments)


def test_the_program_needs_nothing_that_nodes_lack() -> None:
    text = Path(s3_dist_cp.__file__).read_text()
    assert text.startswith("#!/usr/bin/python3\n")
    assert "emrbox" not in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
