"""Where the nodes of one playbook get the Python environment: from its archive, or one of them builds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from kiln.errors import KilnError, PreflightError

if TYPE_CHECKING:
    from pathlib import Path

# The label of its item.
ENVIRONMENT = "environment"


class Archives(Protocol):
    """What is known of archives. Each method blocks, and raises KilnError."""

    def find(self) -> str:
        """Return the SHA-256 of the archive that is there, or nothing."""

    def keep(self, digest: str) -> None:
        """Keep the SHA-256 of the archive that a node has built."""

    def address(self, digest: str) -> str:
        """Return the S3 address of an archive."""

    def wheels(self) -> Path:
        """Return the file with everything that a build needs, and fetch it unless it is there."""


class EnvironmentSource:
    """Answers the nodes that lack the environment. The first one builds it when there is no archive.

    When the builder is lost another node builds; when it fails to build, no other one tries.
    """

    def __init__(self, archives: Archives) -> None:
        self._archives = archives
        self._changed = asyncio.Condition()
        # One for all nodes: the one that asked first may be lost meanwhile.
        self._reading: asyncio.Task[None] | None = None
        self._digest = ""
        self._builder = ""
        self._failure = ""
        self.error: KilnError | None = None
        self.wheels: Path | None = None

    async def answer(self, node: str) -> dict[str, Any]:
        """Return what a node has to do, as soon as it is known."""
        async with self._changed:
            while True:
                self._reading = self._reading or asyncio.create_task(self._read())
                await asyncio.shield(self._reading)
                if self._failure:
                    return {"failed": self._failure}
                if self._digest:
                    return {"archive": self._archives.address(self._digest), "sha256": self._digest}
                if not self._builder:
                    self._builder = node
                    return {"build": True}
                await self._changed.wait()

    async def built(self, node: str, digest: str) -> None:
        """Take the SHA-256 of the node that was to build; another node's is ignored."""
        async with self._changed:
            if node != self._builder or self._digest:
                return
            try:
                await asyncio.to_thread(self._archives.keep, digest)
                self._digest = digest
            except (KilnError, OSError) as error:
                self._fail(error)
            self._changed.notify_all()

    async def ended(self, node: str, problem: str, *, lost: bool) -> None:
        """Note that a node is done, for whatever reason: the others must not wait for it."""
        async with self._changed:
            if node != self._builder or self._digest:
                return
            if lost:
                self._builder = ""
            else:
                self._failure = f"{node} has not built it: {problem}"
            self._changed.notify_all()

    async def _read(self) -> None:
        """Find the archive; without one fetch what the build needs, before any node is told to build."""
        try:
            self._digest = await asyncio.to_thread(self._archives.find)
            if not self._digest:
                self.wheels = await asyncio.to_thread(self._archives.wheels)
        except (KilnError, OSError) as error:
            self._fail(error)

    def _fail(self, error: KilnError | OSError) -> None:
        if isinstance(error, OSError):
            error = PreflightError(f"{error.filename or 'this machine'}: {error.strerror or error}")
        self.error, self._failure = error, error.message
