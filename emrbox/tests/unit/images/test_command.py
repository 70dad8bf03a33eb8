from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emrbox.errors import BoxError
from emrbox.images.command import run

# An ordinary user's `emrbox images` has become root of a user namespace before it runs a tool.
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces, as root")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_tool_that_fails_is_named_with_its_last_line_and_the_rest_is_kept() -> None:
    with pytest.raises(BoxError, match="exit code 3: no network") as failed:
        run(["sh", "-c", "echo first; echo no network >&2; exit 3"])
    log = Path(str(failed.value).rpartition("full output: ")[2].rstrip(")"))
    assert log.read_text() == "first\nno network\n"
    assert run(["echo", "said"]) == "said\n"


def test_a_tool_and_what_it_started_end_with_a_build_that_is_killed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    tool = f"(exec sleep 1000 >{pipe}) & echo >{pipe}; wait"
    program = f"from emrbox.images.command import run; run(['sh', '-c', {tool!r}])"
    build = subprocess.Popen([sys.executable, "-c", program])
    with pipe.open("rb") as said:
        assert said.readline() == b"\n"
        build.kill()
        build.wait()
        assert said.read() == b""  # the end: nobody has the pipe open any more
