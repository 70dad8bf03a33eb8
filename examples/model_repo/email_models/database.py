"""Organisations, their domains and the registry of networks, from PostgreSQL.

The password comes from the secrets file and goes to the driver library only: it is in no message, no log
and no repr.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg

from email_models.arguments import Arguments
from email_models.errors import ConfigError, DatabaseError

_CONNECT_TIMEOUT_SECONDS = 10
_PASSWORD_KEY = "database_password"  # noqa: S105  # the key's name, not a password


@dataclass(frozen=True)
class Directory:
    """What is known beforehand: domain -> organisation id, organisation id -> name, registered prefixes."""

    organisation_of: dict[str, int]
    organisations: dict[int, str]
    registrations: list[str]


def read_password(path: Path) -> str:
    """Return the database password. Raises ConfigError without ever quoting the file's content."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the secrets file {path}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"the secrets file {path} holds no JSON") from None
    password = document.get(_PASSWORD_KEY) if isinstance(document, dict) else None
    if not isinstance(password, str) or not password:
        raise ConfigError(f"the secrets file {path} has no text under the key {_PASSWORD_KEY!r}")
    return password


def read_directory(arguments: Arguments) -> Directory:
    """Read all three tables. Raises DatabaseError when that fails or when there are no organisations."""
    where = f"{arguments.database_host}:{arguments.database_port}/{arguments.database_name}"
    try:
        with (
            psycopg.connect(
                host=arguments.database_host,
                port=arguments.database_port,
                dbname=arguments.database_name,
                user=arguments.database_user,
                password=read_password(arguments.secrets_file),
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT id, name FROM organisations")
            organisations = dict(cursor.fetchall())
            cursor.execute("SELECT domain, organisation_id FROM organisation_domains")
            organisation_of = dict(cursor.fetchall())
            cursor.execute("SELECT network::text FROM network_registrations")
            registrations = [network for (network,) in cursor.fetchall()]
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()
        raise DatabaseError(
            f"cannot read organisations from {where}: {reason[0] if reason else error}"
        ) from None
    if not organisation_of:
        raise DatabaseError(f"the database {where} holds no organisation domains")
    return Directory(
        organisation_of=organisation_of, organisations=organisations, registrations=registrations
    )
