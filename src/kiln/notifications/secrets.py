"""The secrets that rows refer to, read from the vault when a message needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import PreflightError
from kiln.settings import vault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class VaultSecrets:
    """The vault of an environment, opened once, and only when somebody asks. Keeps no other secret of it."""

    def __init__(self, root: Path, environment: str, names: Sequence[str]) -> None:
        self._root, self._environment = root, environment
        self._names = frozenset(names)
        self._held: Mapping[str, object] | None = None

    def __call__(self, names: Sequence[str]) -> dict[str, str]:
        """Return name -> secret. Raises PreflightError, which shows no secret."""
        if self._held is None:
            held = vault.read(self._root, self._environment)
            self._held = {name: held[name] for name in self._names & held.keys()}
        return {name: self._text(self._held, name) for name in names}

    def _text(self, held: Mapping[str, object], name: str) -> str:
        shown = f"vault/{self._environment}.yml"
        value = held.get(name)
        edit = vault.edit_command(self._root, self._environment)
        if value is None:
            raise PreflightError(f"{shown} has no {name}", fix=f"add it: {edit}")
        if not isinstance(value, str) or not value:
            raise PreflightError(f"{name} in {shown} is no text", fix=f"put it in quotes: {edit}")
        return value
