"""Packed Python environments as the control host knows them: digests in S3, wheels in the cache."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # msgspec reads the types of fields
from typing import TYPE_CHECKING

import msgspec

from kiln.nodes import environment_digests
from kiln.nodes.wheels import Wheels

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Effects
    from kiln.nodes.definition import Environment


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
        wheels = Wheels(
            hash=self.item.hash,
            python_version=self.item.python_version,
            architecture=self.item.architecture,
            requirements=self.item.requirements,
            checkout=self.checkout,
            cache=self.cache,
        )
        return wheels.file()
