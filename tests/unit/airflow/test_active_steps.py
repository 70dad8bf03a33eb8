"""Which steps are active: one program an interval, however many tasks wait in the triggerer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from kiln_airflow import active_steps
from kiln_airflow.active_steps import Looks, Step

if TYPE_CHECKING:
    from pathlib import Path

STEP = Step("p", "r1", "sd")


def script(folder: Path, output: str, code: int = 0) -> str:
    """Return a program in the place of scripts/kiln, which writes down how it was called."""
    file = folder / "kiln"
    file.write_text(f"#!/bin/sh\necho \"$@\" >> {folder}/calls\ncat <<'E'\n{output}\nE\nexit {code}\n")
    file.chmod(0o755)
    return str(file)


def answer(*steps: str) -> str:
    rows = [{"name": name, "id": "s-1", "state": "RUNNING"} for name in steps]
    return json.dumps({"clusters": [{"pipeline": "p", "run_id": "r1", "steps": rows}]})


def test_hundreds_that_wait_share_one_look(tmp_path: Path) -> None:
    looks = Looks(script(tmp_path, answer("sd")), "prod")

    async def all_of_them() -> list[frozenset[Step] | None]:
        found = await asyncio.gather(*(looks.active(3600) for _ in range(300)))
        return [*found, await looks.active(3600)]

    assert set(asyncio.run(all_of_them())) == {frozenset([STEP])}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["list --env=prod --active-steps --output=json"]


def test_a_look_is_made_anew_when_the_last_one_is_old(tmp_path: Path) -> None:
    looks = Looks(script(tmp_path, answer()), "prod")

    async def twice() -> None:
        await looks.active(0)
        await looks.active(0)

    asyncio.run(twice())
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_one_that_is_cancelled_leaves_the_others_their_answer(tmp_path: Path) -> None:
    looks = Looks(script(tmp_path, answer("sd")), "prod")

    async def two() -> frozenset[Step] | None:
        first = asyncio.create_task(looks.active(3600))
        second = asyncio.create_task(looks.active(3600))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(two()) == frozenset([STEP])


@pytest.mark.parametrize(
    "output", ["", "x", "[]", "{}", '{"clusters": 1}', '{"clusters": [{"steps": [1]}]}', "null"]
)
def test_an_answer_that_is_none_is_not_taken_for_an_end(tmp_path: Path, output: str) -> None:
    assert asyncio.run(Looks(script(tmp_path, output), "prod").active(1)) is None


def test_a_program_that_fails_or_is_missing_tells_nothing(tmp_path: Path) -> None:
    assert asyncio.run(Looks(script(tmp_path, answer(), code=10), "prod").active(1)) is None
    assert asyncio.run(Looks(str(tmp_path / "absent"), "prod").active(1)) is None


def test_all_tasks_of_an_environment_have_the_same_looks() -> None:
    assert active_steps.of("k", "prod") is active_steps.of("k", "prod")
    assert active_steps.of("k", "prod") is not active_steps.of("k", "stage")
