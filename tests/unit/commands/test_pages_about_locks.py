"""Every command of docs/operations/stuck_lock.md and lost_driver.md, typed where the page is about it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from drivers_world import STATE
from kiln_commands import Commands

from kiln import cli
from kiln.commands import shared
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import DEAD_SECONDS
from kiln.settings import inventories

PAGES = Path(__file__).resolve().parents[3] / "docs/operations"
LOCK = f"{STATE}/locks/local/model_building.json"


def commands(page: str) -> list[str]:
    """Return the lines of a page's blocks, for the environment of the tests."""
    blocks = re.findall(r"^```\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line.replace("prod", "local") for block in blocks for line in block.splitlines()]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    monkeypatch.setattr(inventories, "pipelines", lambda *_: ["model_building"])
    monkeypatch.setattr(shared, "context_of", one.new_context)
    return one


def lose_the_driver(world: Commands) -> None:
    world.execution(world.enter("nightly-7"), "nightly-7", "launch").run()


def typed(world: Commands, line: str) -> int:
    """Type a line of a page; `printf … | aws s3 cp - URI` writes the object."""
    if line.startswith("printf "):
        document, uri = re.fullmatch(r"printf '(.*)' \| aws s3 cp - (\S+)", line).groups()  # type: ignore[union-attr]  # it fits
        world.aws.objects[uri] = document.encode()
        return 0
    program, *arguments = shlex.split(line)
    assert program == "scripts/kiln"
    return cli.main(arguments)


@pytest.mark.parametrize("line", commands("lost_driver.md"))
def test_a_command_about_a_lost_driver_ends_well(world: Commands, line: str) -> None:
    lose_the_driver(world)
    assert typed(world, line) == 0
    if " run " in line:
        assert world.remembered("nightly-7").attempts[-1].end_state == "TERMINATED"
        assert world.aws.live() == []
        assert world.holders() in ([], ["nightly-7"])


def test_a_lost_driver_is_shown_dead_after_three_minutes(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_the_driver(world)
    line = commands("lost_driver.md")[0]
    typed(world, line)
    assert ", dead" not in capsys.readouterr().out
    world.clock.seconds += DEAD_SECONDS
    typed(world, line)
    assert ", dead" in capsys.readouterr().out


def blocks_of_stuck_lock() -> tuple[list[str], list[str]]:
    lines = commands("stuck_lock.md")
    return lines[:-3], lines[-3:]


@pytest.mark.parametrize("line", blocks_of_stuck_lock()[0])
def test_a_command_about_a_held_lock_ends_well(world: Commands, line: str) -> None:
    """The holder is at work, and ends while the others wait for it or follow it."""
    at_work = world.enter("nightly-7")
    execution = world.execution(at_work, "nightly-7")

    def finish() -> None:
        execution.run()
        at_work.leave()

    world.on_wait(finish)
    assert typed(world, line) == 0
    assert world.aws.live() == []


def test_a_damaged_lock_is_repaired_as_the_page_says(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    look, repair, run = blocks_of_stuck_lock()[1]
    world.aws.objects[LOCK] = b"damaged"
    assert typed(world, run) == ExitCode.PREFLIGHT
    assert "docs/operations/stuck_lock.md" in capsys.readouterr().err
    assert typed(world, look) == 0
    assert typed(world, repair) == 0
    assert typed(world, run) == 0
    assert json.loads(world.aws.objects[LOCK])["holders"] == []


def test_an_emptied_lock_hides_no_run_that_is_at_work(world: Commands) -> None:
    world.run("nightly-7", "launch")
    del world.aws.objects[LOCK]
    assert typed(world, blocks_of_stuck_lock()[1][2]) == ExitCode.LOCKED
