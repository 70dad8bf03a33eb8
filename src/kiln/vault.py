"""An environment's vault: made, filled and opened with ansible-vault itself, no secret in any argument."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from kiln import paths
from kiln.errors import PreflightError
from kiln.settings import check, files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_REFERENCE = re.compile(r"\bvault_[a-z0-9_]+")
_SECRET_BYTES = 24
_SECONDS = 60
PREFIX = "vault_"


def wanted(sources: Sequence[files.Source]) -> set[str]:
    """Return the names of the secrets that settings refer to."""
    return {name for source in sources for name in _references(list(source.values.values()))}


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield from _REFERENCE.findall(value) if check.is_open(value) else ()
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _ansible_vault(root: Path, password_file: Path, *arguments: str, text: str = "") -> str:
    finished = subprocess.run(
        [
            paths.tool("ansible-vault"),
            arguments[0],
            "--vault-password-file",
            str(password_file),
            *arguments[1:],
        ],
        cwd=root,
        env=paths.clean_environment(root),
        input=text,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        start_new_session=True,
    )
    if finished.returncode != 0:
        said = finished.stdout + finished.stderr
        if "Decryption failed" in said or "no vault secrets" in said.lower():
            raise PreflightError(
                f"the password in {_shown(root, password_file)} does not open {_shown(root, arguments[-1])}",
                fix="put the right password into that file, or name another file in KILN_VAULT_PASSWORD_FILE",
            )
        lines = [line.removeprefix("[ERROR]: ") for line in finished.stderr.splitlines() if line.strip()]
        raise PreflightError(
            f"ansible-vault {arguments[0]} failed: {lines[-1] if lines else 'no message'}",
            fix="correct that file; vault/README.md says how a vault is made",
        )
    return finished.stdout


def _shown(root: Path, path: Path | str) -> str:
    return os.path.relpath(path, root) if str(path).startswith(str(root)) else str(path)


def read(root: Path, environment: str) -> dict[str, str]:
    """Return the decrypted vault. Raises PreflightError when the file or its password is missing or wrong."""
    file, password = paths.vault_file(root, environment), paths.vault_password_file(root, environment)
    if not password.is_file():
        what = "is a folder" if password.is_dir() else "does not exist"
        raise PreflightError(
            f"the vault's password file {_shown(root, password)} {what}",
            fix=f"{paths.program()} vault init --env {environment}, or set KILN_VAULT_PASSWORD_FILE",
        )
    if not file.is_file():
        raise PreflightError(
            f"{_shown(root, file)} does not exist", fix=f"{paths.program()} vault init --env {environment}"
        )
    held = files.parse_yaml(_ansible_vault(root, password, "view", str(file)), _shown(root, file))
    if not isinstance(held or {}, dict):
        raise PreflightError(
            f"{_shown(root, file)} holds no variables", fix="ansible-vault edit it: vault_name: value"
        )
    return dict(held or {})


def names_for(root: Path, environment: str) -> set[str]:
    """Return the secrets that any pipeline of an environment asks for."""
    found: set[str] = set()
    for pipeline in files.pipelines(root, environment):
        found |= wanted(files.chain(root, environment, pipeline, ()))
    return found


def init(root: Path, environment: str) -> list[str]:
    """Make what is missing: password file (0600), vault, secrets. Return the names that were added.

    A vault that is there is never made anew: without its password that is an error.
    """
    files.check_environment(root, environment)
    file, password = paths.vault_file(root, environment), paths.vault_password_file(root, environment)
    if not password.is_file():
        if file.is_file():
            raise PreflightError(
                f"{_shown(root, file)} exists, its password file {_shown(root, password)} does not",
                fix="get the password file from whoever made the vault, or remove the vault",
            )
        _write_private(password, secrets.token_urlsafe(_SECRET_BYTES) + "\n")
    held = read(root, environment) if file.is_file() else {}
    missing = sorted(names_for(root, environment) - held.keys())
    if missing or not file.is_file():
        filled = held | {name: secrets.token_urlsafe(_SECRET_BYTES) for name in missing}
        plain = yaml.safe_dump(filled, explicit_start=True)
        encrypted = _ansible_vault(root, password, "encrypt", "--output", "-", "-", text=plain)
        _write_private(file, encrypted)
    return missing


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    temporary.replace(path)
