"""Console outputs with real keys, made once."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("ed25519", "ecdsa", "rsa")


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Lines of public keys, as sshd has them in its .pub files."""
    return [line_of(tmp_path_factory.mktemp("keys"), kind) for kind in KINDS]


def line_of(folder: Path, kind: str) -> str:
    made = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@ip-10-0-0-1", "-f", str(folder / kind)]
    subprocess.run(made, check=True)
    return (folder / f"{kind}.pub").read_text().strip()
