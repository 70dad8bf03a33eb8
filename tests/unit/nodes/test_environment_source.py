"""Which node builds, who waits for it, and what happens when it is lost."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiln.errors import PreflightError
from kiln.nodes.environment_source import EnvironmentSource

if TYPE_CHECKING:
    from collections.abc import Coroutine

DIGEST = "a" * 64


class Archives:
    def __init__(self, digest: str = "") -> None:
        self.digest = digest
        self.kept: list[str] = []

    def find(self) -> str:
        return self.digest

    def keep(self, digest: str) -> None:
        self.kept.append(digest)

    def address(self, digest: str) -> str:
        return f"s3://b/{digest}"

    def wheels(self) -> Path:
        return Path("wheels.tar")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def waiting(source: EnvironmentSource, node: str) -> asyncio.Task[dict[str, Any]]:
    """Let a node ask, until it has its answer or waits for another node."""
    task = asyncio.create_task(source.answer(node))
    for _ in range(10):
        await asyncio.sleep(0)
    return task


def test_what_this_machine_lacks_is_the_reason_for_all_nodes() -> None:
    class Full(Archives):
        def wheels(self) -> Path:
            raise OSError(errno.ENOSPC, "No space left on device", "/cache")

    async def work() -> None:
        source = EnvironmentSource(Full())
        for name in ("a", "b"):
            assert await source.answer(name) == {"failed": "/cache: No space left on device"}
        assert isinstance(source.error, PreflightError)

    run(work())


def test_a_digest_that_cannot_be_kept_is_the_reason_for_all_nodes() -> None:
    class ReadOnly(Archives):
        def keep(self, digest: str) -> None:
            raise OSError(errno.EROFS, "Read-only file system", digest)

    async def work() -> None:
        source = EnvironmentSource(ReadOnly())
        await source.answer("a")
        await source.built("a", DIGEST)
        assert await source.answer("b") == {"failed": f"{DIGEST}: Read-only file system"}

    run(work())


def test_one_builds_and_the_others_wait_for_its_archive() -> None:
    async def work() -> None:
        archives = Archives()
        source = EnvironmentSource(archives)
        assert await source.answer("a") == {"build": True}
        others = [await waiting(source, name) for name in ("b", "c")]
        assert not any(task.done() for task in others)
        await source.built("a", DIGEST)
        for task in others:
            assert await task == {"archive": f"s3://b/{DIGEST}", "sha256": DIGEST}
        assert archives.kept == [DIGEST]

    run(work())


def test_when_the_builder_is_lost_another_node_builds() -> None:
    async def work() -> None:
        source = EnvironmentSource(Archives())
        await source.answer("a")
        other = await waiting(source, "b")
        await source.ended("a", "the connection was lost", lost=True)
        assert await other == {"build": True}

    run(work())


def test_a_node_that_is_lost_while_the_wheels_are_fetched_leaves_them_to_the_next_one() -> None:
    class Slow(Archives):
        def __init__(self) -> None:
            super().__init__()
            self.is_asked, self.goes_on, self.fetched = threading.Event(), threading.Event(), 0

        def wheels(self) -> Path:
            self.fetched += 1
            self.is_asked.set()
            assert self.goes_on.wait(10)
            return super().wheels()

    async def work() -> None:
        archives = Slow()
        source = EnvironmentSource(archives)
        first = asyncio.create_task(source.answer("a"))
        await asyncio.to_thread(archives.is_asked.wait, 10)
        first.cancel()
        await source.ended("a", "packages: no space", lost=True)
        other = await waiting(source, "b")
        archives.goes_on.set()
        assert await other == {"build": True}
        assert (source.wheels, archives.fetched) == (Path("wheels.tar"), 1)

    run(work())


def test_when_the_build_fails_nobody_else_builds() -> None:
    async def work() -> None:
        source = EnvironmentSource(Archives())
        await source.answer("a")
        other = await waiting(source, "b")
        await source.ended("a", "environment: no space", lost=False)
        assert await other == {"failed": "a has not built it: environment: no space"}

    run(work())


def test_a_digest_of_a_node_that_was_not_to_build_is_ignored() -> None:
    async def work() -> None:
        archives = Archives()
        source = EnvironmentSource(archives)
        await source.answer("a")
        await source.built("b", "f" * 64)
        assert archives.kept == []
        await source.built("a", DIGEST)
        await source.built("a", "f" * 64)
        assert archives.kept == [DIGEST]

    run(work())


def test_an_archive_that_is_there_is_fetched_by_all() -> None:
    async def work() -> None:
        source = EnvironmentSource(Archives(DIGEST))
        for node in ("a", "b"):
            assert await source.answer(node) == {"archive": f"s3://b/{DIGEST}", "sha256": DIGEST}

    run(work())
