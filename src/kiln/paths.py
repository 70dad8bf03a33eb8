"""Locations of files, and the clean environment in which Ansible is called."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kiln import private

if TYPE_CHECKING:
    from collections.abc import Mapping


# The id of the driver (kiln.ledger.schema.Driver) that a playbook belongs to.
DRIVER_VARIABLE = "KILN_DRIVER"
# The pipe into which a playbook's actions write how far the nodes are.
PROGRESS_VARIABLE = "KILN_PROGRESS_PIPE"


def checkout() -> Path:
    """Return the checkout of this kiln: KILN_CHECKOUT (set by scripts/kiln), else that of the source."""
    given = os.environ.get("KILN_CHECKOUT")
    return Path(given) if given else Path(__file__).resolve().parents[2]


def program() -> str:
    """Return what the caller typed to start kiln, quoted: shown commands can be typed as they stand."""
    return shlex.quote(os.environ.get("KILN_PROGRAM", "kiln"))


def command(*words: str) -> str:
    """Return a kiln command to show: names, run ids and paths are quoted for a shell."""
    return f"{program()} {shlex.join(words)}"


def state_folder(root: Path) -> Path:
    """Return the ignored folder of local state. Only its owner can enter it and the folders in it.

    Raises OSError when it cannot be made, is a link, or belongs to another user.
    """
    folder = private.folder(root / ".kiln")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                private.folder(Path(entry.path))
    return folder


def private_folder(root: Path, *names: str) -> Path:
    """Return a folder below .kiln, made with mode 0700 at each level whatever the umask. Raises OSError."""
    folder = state_folder(root)
    for name in names:
        folder = private.folder(folder / name)
    return folder


def run_folder(root: Path, run_id: str) -> Path:
    """Return the folder of a run's logs on this machine. Raises OSError when it cannot be made."""
    return private_folder(root, "runs", run_id)


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
    given = os.environ.get("KILN_VAULT_PASSWORD_FILE")
    return Path(given) if given else root / ".kiln" / "vault" / f"{environment}.password"


def tool(name: str) -> str:
    """Return a command of this Python's own environment (ansible-playbook, ansible-vault)."""
    return str(Path(sys.executable).parent / name)


def clean_environment(root: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for Ansible: this checkout's configuration, and no ANSIBLE_* of the caller's.

    An inherited ANSIBLE_INVENTORY, for example, would make Ansible run files of the current directory. The
    locale is set: Ansible does not work without UTF-8, nor in one that the machine does not have. Temporary
    files are written to a folder of this process, in memory where the machine has such a place.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    # Only the driver that starts a playbook says whose it is.
    kept.pop(DRIVER_VARIABLE, None)
    kept["ANSIBLE_CONFIG"] = str(root / "ansible.cfg")
    # Ansible writes secrets there in the clear before it sends them; killed, it leaves them.
    kept["ANSIBLE_LOCAL_TEMP"] = str(temporary_folder(root))
    kept["HOME"] = home()
    if not Path(kept.get("XDG_CACHE_HOME", "/")).is_absolute():
        del kept["XDG_CACHE_HOME"]  # by the XDG specification it then counts as not set
    kept["LC_ALL"] = "C.UTF-8"
    # Modules then advise kiln's own commands (advice.py).
    kept.setdefault("KILN_PROGRAM", "kiln")
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
    return kept | dict(extra or {})


def home() -> str:
    """Return the user's home: HOME, or the passwd database's where that is not set. Raises PreflightError."""
    given = os.environ.get("HOME", "")
    if Path(given).is_absolute():
        return given
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError as error:
        from kiln.errors import PreflightError  # noqa: PLC0415  # seldom needed

        raise PreflightError(
            f"HOME is not set, and user {os.geteuid()} has no entry in the passwd database",
            fix="set HOME to a folder of this user",
        ) from error


def temporary_folder(root: Path) -> Path:
    """Return this process's private folder for secrets in files; it goes with the process. Raises OSError."""
    return private.temporary(_temporary_places(root))


def _temporary_places(root: Path) -> list[Path]:
    """Return where secrets may be stored for a moment, the best first: memory, the checkout, the system's."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    memory = Path("/dev/shm")  # noqa: S108  # only a private folder below it is used
    places = [runtime] if runtime.is_absolute() else []
    return [*places, memory, root / ".kiln", Path(tempfile.gettempdir())]
