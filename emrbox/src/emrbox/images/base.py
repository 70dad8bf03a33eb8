"""The base image: a Debian that looks like Amazon Linux 2023 to people, to Ansible and to dnf."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from emrbox.images import debian
from emrbox.images.cache import Recipe, digest
from emrbox.images.command import run
from emrbox.paths import CHECKOUT

_FOLDER = Path(__file__).parent / "base"
_AWS_CLI = CHECKOUT / "requirements" / "awscli.txt"
# The folders of the manual stay: package scripts make links in them.
_NOT_NEEDED = ("/usr/share/man/*/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*")


def recipe() -> Recipe:
    """Return the recipe of the nodes' base image."""
    return Recipe(
        kind="base",
        reason="the nodes' system, from Debian packages (about 30 s)",
        inputs=digest(Path(__file__), _FOLDER, _AWS_CLI, debian.CODENAME),
        build=_build,
        proof="usr/lib/emrbox/init",
    )


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="emrbox-awscli-") as aws_cli, debian.host_sources() as sources:
        _unpack_aws_cli(Path(aws_cli))
        Path(aws_cli).chmod(0o755)
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--quiet",
                f"--include={','.join(debian.packages(_FOLDER / 'packages.txt'))}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_NEEDED),
                *(f"--aptopt={option}" for option in debian.host_apt_options()),
                f"--customize-hook={_FOLDER / 'customize.sh'}",
                debian.CODENAME,
                folder,
                *sources,
            ],
            env={"TREE": str(_FOLDER / "tree"), "AWS_CLI": aws_cli},
        )


def _unpack_aws_cli(folder: Path) -> None:
    """Unpack the AWS CLI for the nodes' Python, checked against the hashes of its lock file."""
    run(
        [
            sys.executable,
            *("-m", "pip", "install", "--quiet", "--require-hashes", "--no-compile", "--no-deps"),
            *("--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64"),
            *(f"--target={folder}", "-r", _AWS_CLI),
        ]
    )
