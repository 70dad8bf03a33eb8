"""Packed Python environments as the control host knows them: digests in S3, wheels in the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path  # noqa: TC003  # msgspec reads the types of fields
from typing import TYPE_CHECKING

import msgspec

from kiln.errors import PreflightError
from kiln.nodes import environment_digests
from kiln.settings import lock_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Effects
    from kiln.nodes.definition import Environment

_SCRIPT = "roles/emr_node/files/fetch_wheels.sh"
_TOOLS = "requirements/nodes.txt"
_FETCH_SECONDS = 1800


class S3Archives(msgspec.Struct, frozen=True, kw_only=True):
    """The archives of one environment. `effects` is called when AWS is needed: mostly it is not."""

    item: Environment
    environment: str
    checkout: Path
    cache: Path
    effects: Callable[[], Effects]

    @property
    def _place(self) -> environment_digests.Place:
        return environment_digests.Place(self.item.state_uri, self.environment, self.item.hash)

    def find(self) -> str:
        """Return the SHA-256 of the archive that is there, or nothing."""
        return environment_digests.read(self.effects(), self._place)

    def keep(self, digest: str) -> None:
        """Keep the SHA-256 of the archive that a node has built."""
        environment_digests.keep(self.effects(), self._place, digest)

    def address(self, digest: str) -> str:
        """Return the S3 address of an archive."""
        return self._place.archive(digest)

    def wheels(self) -> Path:
        """Return the file with the wheels, the lock file and uv; fetched by hash unless the cache has it."""
        lock = self.checkout / self.item.requirements
        lock_file.check(lock, self.item.requirements)
        target = self.cache / "wheels" / f"{self.item.hash}-uv.tar"
        if target.is_file():
            return target
        machine = [self.item.python_version, self.item.architecture]
        arguments = [sys.executable, str(lock), *machine, str(target), str(self.checkout / _TOOLS)]
        finished = subprocess.run(
            ["bash", self.checkout / _SCRIPT, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
        )
        if finished.returncode != 0:
            said = [line for line in finished.stderr.splitlines() if line.strip()]
            raise PreflightError(
                f"the wheels of {self.item.requirements} cannot be fetched: {' '.join(said[-1:])}",
                details=tuple(said[-10:]),
                fix="check the network, the index that pip uses, and the space in kiln_cache_dir",
            )
        return target
