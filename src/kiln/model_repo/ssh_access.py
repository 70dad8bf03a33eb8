"""ssh as git starts it: pinned host keys, a deploy key for the time of one connection, no configuration.

The key lies in a file of mode 0600 in the private folder of this process, and only while git runs. ssh reads
no configuration of the user or the machine, asks nothing, and connects only to a host whose key is pinned.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kiln import paths
from kiln.errors import PreflightError, UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.model_repo.address import Server

# Of ssh_config(5). `-F none` leaves out /etc/ssh/ssh_config too.
_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=none",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ControlPath=none",
    "ConnectTimeout=30",
)
_SECONDS = 30
_LONGEST_LINE = 20_000
# sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, without comments and empty lines.
_HOST_KEY = re.compile(r"(?:@(?:cert-authority|revoked) )?[!-~]+ [a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: .*)?")


@contextmanager
def command(server: Server, host_keys: Sequence[str], deploy_key: str) -> Iterator[str]:
    """Give the command for GIT_SSH_COMMAND. Without a deploy key ssh takes those of the agent and the user.

    Raises UsageError for host keys and a deploy key that cannot be used, PreflightError when the key cannot
    be stored.
    """
    check_host_keys(host_keys)
    with ExitStack() as stack:
        try:
            place = paths.temporary_folder(paths.checkout())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
            options = _options(folder, server, host_keys, deploy_key)
        except OSError as error:
            raise PreflightError(
                f"there is no private place for the deploy key: {error.strerror}: {error.filename}",
                fix="free some space in /dev/shm and in .kiln, and make them writable",
            ) from error
        yield shlex.join(["ssh", "-F", "none", *(f"-o{option}" for option in (*_OPTIONS, *options))])


def _options(folder: Path, server: Server, host_keys: Sequence[str], deploy_key: str) -> list[str]:
    known = _private_file(folder / "known_hosts", "".join(f"{line}\n" for line in host_keys))
    _check_host(server, known)
    options = [f"UserKnownHostsFile={known}"]
    if deploy_key:
        # What editors of YAML do to a text; ssh reads no key without the last newline.
        text = deploy_key.replace("\r\n", "\n").strip() + "\n"
        file = _private_file(folder / "deploy_key", text)
        _check_key(file)
        options += [f"IdentityFile={file}", "IdentitiesOnly=yes", "IdentityAgent=none"]
    return options


def check_host_keys(lines: Sequence[str]) -> None:
    """Raise UsageError for a line that a known_hosts file cannot hold."""
    for number, line in enumerate(lines):
        if len(line) > _LONGEST_LINE or not line.isprintable() or not _HOST_KEY.fullmatch(line):
            raise UsageError(
                f"model_repo_host_keys[{number}] is {names.shown(line)}: no line of a known_hosts file",
                fix="write `HOST TYPE KEY`, as ssh-keyscan prints it",
            )


def _private_file(path: Path, text: str) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text.encode(errors="replace"))
    return path


def _check_host(server: Server, known: Path) -> None:
    """Raise UsageError unless a key of the server is pinned."""
    if _keygen("-F", server.known_as, "-f", str(known)).returncode != 0:
        scan = shlex.join(["ssh-keyscan", "-t", "ed25519", "-p", str(server.port), server.host])
        raise UsageError(
            f"model_repo_host_keys has no key of {server.known_as}, the server of model_repo_url",
            fix=f"{scan}, compare it with what the server's operator publishes, and add the line",
        )


def _check_key(file: Path) -> None:
    """Raise UsageError unless ssh can use the key without a passphrase. Its text is never shown."""
    if _keygen("-y", "-P", "", "-f", str(file)).returncode != 0:
        raise UsageError(
            "the deploy key (model_repo_deploy_key) is no private key that ssh can use without a passphrase",
            fix="ssh-keygen -t ed25519 -N '' makes one; put the whole private file into the vault",
        )


def _keygen(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh-keygen", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
        start_new_session=True,
    )
