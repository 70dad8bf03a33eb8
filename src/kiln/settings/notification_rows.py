"""What the rows of kiln_notifications must be beyond their types. No error shows what may be a secret."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kiln.errors import UsageError
from kiln.settings import files, inventories
from kiln.settings.notification_model import Notification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KEY = "kiln_notifications"
_SECRET = re.compile(r"vault_[a-z0-9_]{1,94}")
SECRETS = ("url", "password")


class _Keys(NamedTuple):
    """The keys that a kind of row needs, and those that it may have."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()


KINDS: Mapping[str, _Keys] = {
    "mail": _Keys(("to", "sender", "host"), ("port", "security", "user", "password", "ca_file")),
    "webhook": _Keys(("url",), ("ca_file",)),
    "sns": _Keys(("topic_arn",)),
}
_COMMON = ("name", "kind", "on")
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Notification)}


def check_secrets(value: Any, label: str) -> None:
    """Raise UsageError for a row whose url or password is not the name of a secret in the vault.

    Called before any other check of the value, whose messages quote it.
    """
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise UsageError(
            f"{label}: {KEY} is no list of mappings (its value is not shown)",
            fix=f"{KEY}: [{{name: ops, kind: mail, …}}] (docs/operations/notifications.md)",
        )
    for place, row in enumerate(value):
        for key in SECRETS:
            given = row.get(key, "")
            if given != "" and not (isinstance(given, str) and _SECRET.fullmatch(given)):
                raise UsageError(
                    f"{label}: {KEY}[{place}].{key} is no name of a variable in the vault "
                    "(its value is not shown)",
                    fix=f"put the secret into the vault, and write its name alone: {key}: vault_…",
                )


def may_be_set(root: Path, environment: str, pipeline: str, extra: Sequence[str] = ()) -> bool:
    """Return whether a settings file has any row: Ansible need not be asked for most that have none.

    Without a pipeline those of the environment count. Raises UsageError for names and files that are none.
    """
    inventories.check_environment(root, environment)
    if pipeline:
        inventories.check_pipeline(root, environment, pipeline)
    return any(source.values.get(KEY) for source in files.chain(root, environment, pipeline, extra))


def check(rows: Sequence[Notification], label: str) -> None:
    """Raise UsageError for a row that lacks what its kind needs, or would send secrets in the clear."""
    names = [row.name for row in rows]
    for place, row in enumerate(rows):
        where = f"{label}: {KEY}[{place}] ({row.kind} {row.name})"
        if row.name in names[:place]:
            raise UsageError(f"{where} has the name of another row", fix="give each row a name of its own")
        _check_keys(row, where)
        if row.kind == "mail":
            _check_mail(row, where)


def _check_keys(row: Notification, where: str) -> None:
    keys = KINDS[row.kind]
    given = [key for key, default in _DEFAULTS.items() if getattr(row, key) != default]
    for key in keys.needed:
        if key not in given:
            raise UsageError(f"{where} has no {key}", fix=f"add {key} there")
    for key in given:
        if key not in {*keys.needed, *keys.optional, *_COMMON}:
            raise UsageError(f"{where} has {key}, which {row.kind} does not use", fix=f"remove {key} there")


def _check_mail(row: Notification, where: str) -> None:
    if bool(row.user) != bool(row.password):
        raise UsageError(f"{where} has only one of user and password", fix="set both, or neither")
    if row.security == "none" and not is_loopback(row.host or ""):
        raise UsageError(
            f"{where} has security none for the host {row.host}", fix="security: starttls, or tls"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
