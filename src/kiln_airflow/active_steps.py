"""Which steps are active: asked for once an environment and interval, however many wait in this process."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any, NamedTuple

from kiln_airflow import commands

# A call to AWS that is throttled takes a while; a program that hangs ends.
_SECONDS = 120.0


class Step(NamedTuple):
    """A step of a run."""

    pipeline: str
    run_id: str
    name: str


class Looks:
    """The last look at an environment, and the one that is being made, for all that wait in this process."""

    def __init__(self, script: str, environment: str) -> None:
        self._command = (script, "list", f"--env={environment}", "--active-steps", "--output=json")
        self._made_at = float("-inf")
        self._look: asyncio.Task[frozenset[Step] | None] | None = None

    async def active(self, interval: float) -> frozenset[Step] | None:
        """Return the steps that were active at most `interval` seconds ago; None when that is not known."""
        loop = asyncio.get_running_loop()
        is_old = loop.time() - self._made_at >= interval
        if self._look is None or self._look.get_loop() is not loop or (self._look.done() and is_old):
            self._made_at = loop.time()
            self._look = loop.create_task(_asked(self._command))
        # One that waits may be cancelled: the others go on waiting.
        return await asyncio.shield(self._look)


_SHARED: dict[tuple[str, str], Looks] = {}


def of(script: str, environment: str) -> Looks:
    """Return what all that wait for steps of an environment share."""
    return _SHARED.setdefault((script, environment), Looks(script, environment))


async def _asked(command: tuple[str, ...]) -> frozenset[Step] | None:
    """Ask scripts/kiln. Returns None for whatever goes wrong: the command of a task finds out."""
    own = commands.without_airflows_own(os.environ)
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=own,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
        return _steps(json.loads(output)) if process.returncode == 0 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TimeoutError):
        return None
    finally:
        if process is not None and process.returncode is None:
            process.kill()


def _steps(document: Any) -> frozenset[Step]:
    return frozenset(
        Step(cluster["pipeline"], cluster["run_id"], step["name"])
        for cluster in document["clusters"]
        for step in cluster["steps"]
    )
