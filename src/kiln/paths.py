"""Where things lie, and the clean environment in which Ansible is called."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def checkout() -> Path:
    """Return the checkout this kiln belongs to: what scripts/kiln says, else where the source lies."""
    said = os.environ.get("KILN_CHECKOUT")
    return Path(said) if said else Path(__file__).resolve().parents[2]


def program() -> str:
    """Return what the caller typed to start kiln: shown commands can then be typed as they stand."""
    return os.environ.get("KILN_PROGRAM", "kiln")


def command(*words: str) -> str:
    """Return a command of kiln's as a shell takes it: what stands in it may hold spaces and quotes."""
    return shlex.join([program(), *words])


def state_folder(root: Path) -> Path:
    """Return the ignored folder of local state. Only its owner may look into it."""
    folder = root / ".kiln"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def run_folder(root: Path, run_id: str) -> Path:
    """Return the folder of a run's logs on this machine. Raises OSError when it cannot be made."""
    folder = state_folder(root) / "runs" / run_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def run_folder_if_possible(root: Path, run_id: str) -> Path:
    """Return that folder also where nothing can be written: what only ends a cluster must not need it."""
    with suppress(OSError):
        return run_folder(root, run_id)
    return root / ".kiln" / "runs" / run_id


def write_fault(error: Exception) -> str:
    """Keep the traceback of a fault in kiln; return ` with FILE`, or nothing when it could not be kept."""
    import traceback  # noqa: PLC0415  # seldom needed

    try:
        file = state_folder(checkout()) / "fault.log"
        file.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return ""
    return f" with {file}"


def vault_file(root: Path, environment: str) -> Path:
    """Return an environment's encrypted vault."""
    return root / "vault" / f"{environment}.yml"


def vault_password_file(root: Path, environment: str) -> Path:
    """Return where the vault's password is expected: KILN_VAULT_PASSWORD_FILE, else below .kiln/."""
    said = os.environ.get("KILN_VAULT_PASSWORD_FILE")
    return Path(said) if said else root / ".kiln" / "vault" / f"{environment}.password"


def tool(name: str) -> str:
    """Return a command of this Python's own environment (ansible-playbook, ansible-vault)."""
    return str(Path(sys.executable).parent / name)


def clean_environment(root: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for Ansible: this checkout's configuration, and no ANSIBLE_* of the caller's.

    An inherited ANSIBLE_INVENTORY, for example, would make Ansible run files of the current directory. The
    locale is set: Ansible does not work without UTF-8, nor in one that the machine does not have.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    kept["ANSIBLE_CONFIG"] = str(root / "ansible.cfg")
    kept["LC_ALL"] = "C.UTF-8"
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
    return kept | dict(extra or {})
