"""git as a process: nothing of the caller's shell or of git's configuration decides what it does.

git runs without a terminal, without hooks, without any configuration of the machine or the user, and with a
deadline. It asks nobody for a password: no credential helper and no GIT_ASKPASS.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from kiln.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    # An empty value empties the list of helpers.
    "credential.helper=",
)
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    # Set and empty: git then takes neither core.askPass nor SSH_ASKPASS.
    "GIT_ASKPASS": "",
    "GIT_OPTIONAL_LOCKS": "0",
    # No transport at all, unless the caller's `environment` allows some.
    "GIT_ALLOW_PROTOCOL": "",
    "LC_ALL": "C.UTF-8",
}
# git's own, and a server's as git hosts write it.
_REASONS = ("fatal:", "ERROR:", "error:")


def run(
    arguments: Sequence[str], timeout_seconds: float, what: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git, and at the deadline end it with all that it started. The caller's folder has no part in it.

    `what` is who did not answer, for the message; `environment` is added to git's own. Raises PreflightError.
    """
    options = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", *options, *arguments]
    try:
        child = subprocess.Popen(
            command,
            cwd="/",
            env=_inherited() | _ENVIRONMENT | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PreflightError("git is not installed", fix="install the OS package git") from error
    try:
        output, errors = child.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise PreflightError(
            f"{what} did not answer in {timeout_seconds:g} s", fix="check the network and model_repo_url"
        ) from error
    finally:
        _end(child)
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def _inherited() -> dict[str, str]:
    """Return the caller's environment without what is git's: GIT_DIR, GIT_PROXY_COMMAND, GIT_CONFIG_COUNT…"""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _end(child: subprocess.Popen[str]) -> None:
    """End git and the ssh that it may have started, which would hold its pipes."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def reported(finished: subprocess.CompletedProcess[str]) -> str:
    """Return git's reason for what went wrong, as one line that is safe on a terminal.

    That is the first line that git marks as one; ssh's warnings and a server's greeting come before it.
    """
    lines = [line for line in finished.stderr.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith(_REASONS)), lines[-1] if lines else "")
    words = "".join(sign for sign in reason if sign.isprintable())
    return words[:200].strip() or f"git exited with {finished.returncode}"
