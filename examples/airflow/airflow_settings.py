"""The files of one local Airflow's home: airflow.cfg and the passwords, which only their owner can read."""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
import socket
from dataclasses import dataclass, field
from string import Template
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_releases import Release

USER = "admin"
# A class that a file of the plugins folder imports counts as one of its own.
_PLUGIN = "from kiln_airflow.links import KilnPlugin  # noqa: F401\n"


def free_port() -> int:
    """Return a port of loopback that nobody listens at now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Home:
    """Where one Airflow keeps its files, where it listens, and its secrets, new for each."""

    folder: Path
    dags: Path
    plugins: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    database_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        """The address of the user interface."""
        return f"http://127.0.0.1:{self.port}"

    def write(self, release: Release, database: str, more: Mapping[str, Mapping[str, str]]) -> None:
        """Write airflow.cfg for a database at that address with `more` settings, passwords, plugin."""
        values = {
            "home": str(self.folder),
            "dags": str(self.dags),
            "plugins": str(self.plugins),
            "port": str(self.port),
            "url": self.url,
            "user": USER,
            "database": database,
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_urlsafe(64),
        }
        config = configparser.RawConfigParser()
        for section in {**release.settings, **more}:
            options = {**release.settings.get(section, {}), **more.get(section, {})}
            # Airflow interpolates %, as in configparser.
            config[section] = {
                name: Template(text).substitute(values).replace("%", "%%") for name, text in options.items()
            }
        with _private(self.folder / "airflow.cfg") as file:
            config.write(file)
        with _private(self.folder / "passwords.json") as file:
            json.dump({USER: self.password}, file)
        self.plugins.mkdir(exist_ok=True)
        (self.plugins / "kiln.py").write_text(_PLUGIN)


def _private(path: Path) -> IO[str]:
    """Open a new file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
