"""The command line that both jobs share. argparse ends a job with exit code 2 on a bad argument."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from email_models.settings import DEFAULT_FILE


@dataclass(frozen=True)
class Arguments:
    """What a job is asked to do; `input` and `output` are addresses for Spark, without a `/` at the end."""

    day: date
    input: str
    output: str
    database_host: str
    database_port: int
    database_name: str
    database_user: str
    secrets_file: Path
    settings_file: Path

    @property
    def messages(self) -> str:
        """Where the day's messages lie."""
        return f"{self.input}/messages/date={self.day.isoformat()}"


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:  # noqa: PLR2004  # the range of TCP ports
        raise argparse.ArgumentTypeError(f"{port} is no TCP port")
    return port


def _address(text: str) -> str:
    if not text.strip("/"):
        raise argparse.ArgumentTypeError("must not be empty")
    return text.rstrip("/")


def parse_arguments(description: str, argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line (or `argv`). Exits with code 2 when it is not usable."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--date", required=True, type=date.fromisoformat, help="the day of the messages, YYYY-MM-DD"
    )
    parser.add_argument("--input", required=True, type=_address, help="folder above messages/date=…")
    parser.add_argument(
        "--output", required=True, type=_address, help="folder for the models; replaced when there"
    )
    parser.add_argument("--database-host", required=True)
    parser.add_argument("--database-port", type=_port, default=5432)
    parser.add_argument("--database-name", required=True)
    parser.add_argument("--database-user", required=True)
    parser.add_argument(
        "--secrets-file", required=True, type=Path, help="JSON with the key database_password"
    )
    parser.add_argument(
        "--settings", type=Path, default=DEFAULT_FILE, help="model parameters (default: %(default)s)"
    )
    found = parser.parse_args(argv)
    return Arguments(
        day=found.date,
        input=found.input,
        output=found.output,
        database_host=found.database_host,
        database_port=found.database_port,
        database_name=found.database_name,
        database_user=found.database_user,
        secrets_file=found.secrets_file,
        settings_file=found.settings,
    )
