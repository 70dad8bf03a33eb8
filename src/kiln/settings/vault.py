"""An environment's vault: made, filled and opened with ansible-vault itself, no secret in any argument."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from kiln import paths
from kiln.errors import PreflightError
from kiln.settings import files, inventories, notification_rows, secret_references, yaml_files

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECRET_BYTES = 24
_SECONDS = 60
_GENERATES = "kiln_vault_generates_secrets"


def wanted(sources: Sequence[files.Source]) -> set[str]:
    """Return the names of the secrets that settings refer to. Raises UsageError."""
    named = [
        secret_references.references(source.values.get(secret_references.KEY), source.label)
        for source in sources
    ]
    return {name for found in named for name in found.values()}


def generates(sources: Sequence[files.Source]) -> bool:
    """Return whether missing secrets may be generated; a value that is not plainly `true` is a no."""
    said = [source.values[_GENERATES] for source in sources if _GENERATES in source.values]
    return bool(said) and said[-1] is True


def advice(root: Path, environment: str, sources: Sequence[files.Source]) -> str:
    """Return the command that adds missing secrets to an environment's vault."""
    if generates(sources) or not paths.vault_file(root, environment).is_file():
        return paths.command("vault", "init", "--env", environment)
    return edit_command(root, environment)


def edit_command(root: Path, environment: str) -> str:
    """Return the command with which people edit a vault, as it is typed in the checkout."""
    file, password = paths.vault_file(root, environment), paths.vault_password_file(root, environment)
    tool = _shown(root, paths.tool("ansible-vault"))
    return shlex.join([tool, "edit", "--vault-password-file", _shown(root, password), _shown(root, file)])


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
        errors="replace",
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
    return os.path.relpath(path, root) if Path(path).is_relative_to(root) else str(path)


def check_password_file(root: Path, password: Path) -> None:
    """Raise PreflightError unless only its owner can read the password, or change the program that prints it.

    Ansible runs an executable password file and takes what that prints; others may run such a program.
    """
    seen, shown = password.stat(), _shown(root, password)
    if seen.st_uid not in {0, os.geteuid()}:
        raise PreflightError(
            f"the vault's password file {shown} belongs to another user (uid {seen.st_uid})",
            fix=f"chown {os.geteuid()} {shlex.quote(shown)}, or name a file of this user in "
            "KILN_VAULT_PASSWORD_FILE",
        )
    if os.access(password, os.X_OK) and seen.st_mode & stat.S_IXUSR:
        refused, verb, chmod = 0o022, "change", "go-w"
    else:
        refused, verb, chmod = 0o077, "read or change", "600"
    if seen.st_mode & refused:
        raise PreflightError(
            f"others may {verb} the vault's password file {shown} (mode {stat.S_IMODE(seen.st_mode):04o})",
            fix=f"chmod {chmod} {shlex.quote(shown)}",
        )


def read(root: Path, environment: str) -> dict[str, Any]:
    """Return the decrypted vault. Raises PreflightError when the file or its password is missing or wrong."""
    file, password = paths.vault_file(root, environment), paths.vault_password_file(root, environment)
    init = paths.command("vault", "init", "--env", environment)
    if not password.is_file():
        what = "is a folder" if password.is_dir() else "does not exist"
        fix = f"{init}, or set KILN_VAULT_PASSWORD_FILE"
        if file.is_file():
            fix = f"get it from the person who made {_shown(root, file)}, or set KILN_VAULT_PASSWORD_FILE"
        raise PreflightError(f"the vault's password file {_shown(root, password)} {what}", fix=fix)
    check_password_file(root, password)
    if not file.is_file():
        raise PreflightError(f"{_shown(root, file)} does not exist", fix=init)
    text = _ansible_vault(root, password, "view", str(file))
    held = yaml_files.parse_yaml(text, _shown(root, file), secret=True)
    if not isinstance(held or {}, dict):
        raise PreflightError(
            f"{_shown(root, file)} holds no variables", fix="ansible-vault edit it: vault_name: value"
        )
    return dict(held or {})


class Made(NamedTuple):
    """What `init` found and did: names of secrets it made up, and of those that people must add."""

    generated: list[str]
    missing: list[str]


def init(root: Path, environment: str) -> Made:
    """Make what is missing: password file (0600), vault, and secrets where the environment makes them up.

    A vault that is there is never made anew: without its password that is an error.
    """
    inventories.check_environment(root, environment)
    file, password = paths.vault_file(root, environment), paths.vault_password_file(root, environment)
    if not password.is_file():
        if file.is_file():
            raise PreflightError(
                f"{_shown(root, file)} exists, its password file {_shown(root, password)} does not",
                fix="get the password file from the person who made the vault, or remove the vault",
            )
        if password.is_relative_to(root / ".kiln"):
            paths.private_folder(root, "vault")
        _write_private(password, secrets.token_urlsafe(_SECRET_BYTES) + "\n")
    held = read(root, environment) if file.is_file() else {}
    made = _lacking(root, environment, held)
    if made.generated or not file.is_file():
        filled = held | {name: secrets.token_urlsafe(_SECRET_BYTES) for name in made.generated}
        plain = yaml.safe_dump(filled, explicit_start=True) if filled else "---\n"
        # What people see first when they edit it.
        plain += "" if held else "".join(f"# {name}: \n" for name in made.missing)
        check_password_file(root, password)
        encrypted = _ansible_vault(root, password, "encrypt", "--output", "-", "-", text=plain)
        _write_private(file, encrypted)
    return made


def _lacking(root: Path, environment: str, held: dict[str, Any]) -> Made:
    """Return which secrets of an environment's pipelines the vault lacks."""
    generated: set[str] = set()
    missing: set[str] = set()
    for pipeline in inventories.pipelines(root, environment):
        sources = files.chain(root, environment, pipeline, ())
        lacking = wanted(sources) - held.keys()
        (generated if generates(sources) else missing).update(lacking)
        # A key that somebody has to register at a git server cannot be made up.
        missing.update(_deploy_key(sources) - held.keys())
        # Nor the accounts of mail servers and chats.
        missing.update(_of_notifications(sources) - held.keys())
    return Made(sorted(generated - missing), sorted(missing))


def _deploy_key(sources: Sequence[files.Source]) -> set[str]:
    """Return the name of the secret that the strongest source names as deploy key, if any does."""
    key = secret_references.DEPLOY_KEY
    named = [source for source in sources if key in source.values][-1:]
    found = {secret_references.deploy_key(source.values[key], source.label) for source in named}
    return found - {""}


def _of_notifications(sources: Sequence[files.Source]) -> set[str]:
    """Return the names of secrets in the rows that count: those of the strongest source."""
    named = [source for source in sources if notification_rows.KEY in source.values][-1:]
    found: set[str] = set()
    for source in named:
        rows = source.values[notification_rows.KEY]
        notification_rows.check_secrets(rows, source.label)
        found.update(str(row[key]) for row in rows or () for key in notification_rows.SECRETS if row.get(key))
    return found


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
