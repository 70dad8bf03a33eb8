"""Python environments on nodes, as group_vars/all/python_environment.yml names them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from scenario import CHECKOUT

if TYPE_CHECKING:
    from testinfra.host import Host

STATE = "s3://kiln-local-state/kiln"


def name_of(lock_file: str) -> str:
    """Return the name of the environment of a lock file, for Python 3.11 on x86_64."""
    return hashlib.sha256((CHECKOUT / lock_file).read_text().strip().encode() + b"3.11x86_64").hexdigest()[
        :16
    ]


def finished(host: Host) -> set[str]:
    """Return the names of the environments that are complete on a node."""
    return set(host.check_output("cd /opt/kiln/envs && ls -d */.kiln-complete | cut -d / -f 1").split())


def version_of(host: Host, environment: str, module: str) -> str:
    """Return the version of a module in an environment, asked as the user who runs steps may."""
    python = f"/opt/kiln/envs/{environment}/bin/python"
    with host.sudo("nobody"):
        return str(host.check_output(f"{python} -c 'import {module}; print({module}.__version__)'"))
