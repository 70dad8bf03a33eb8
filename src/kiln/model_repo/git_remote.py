"""Access to a model repo's git remote, for playbooks and driver alike: what it may be, what a branch is.

Every value that reaches git is checked here, and git's answer is read here. git runs with `--` before what
comes from outside, without a terminal, without hooks and with a deadline.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kiln.errors import PreflightError, UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Sequence

# Not git:// (no authentication at all), not ext:: or fd:: (they run commands).
SCHEMES = ("https", "http", "ssh", "file")
TIMEOUT_SECONDS = 30
_NO_SUCH_REF = 2  # ls-remote --exit-code
_LONGEST = 1000
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SCP = re.compile(rf"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?{_HOST}:(?![-:])[^:]*")
_NETWORK_LOCATION = re.compile(
    rf"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?"
)
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
# git-check-ref-format(1), with the signs of a glob pattern: ls-remote takes patterns.
_NO_BRANCH = re.compile(r"\.\.|@\{|//|[ ~^:?*\[\\]|^[-/]|[/.]$|(?:^|/)\.|\.lock(?:/|$)|^@$")
# GIT_DIR or GIT_PROXY_COMMAND of the caller's shell must not decide; the place of git's configuration may.
_KEPT = ("GIT_CONFIG", "GIT_SSL_")
# git's own, and a server's as git hosts write it.
_REASONS = ("fatal:", "ERROR:")


def check_url(url: str) -> str:
    """Return the remote's address if git may be given it. Raises UsageError.

    An absolute path, `user@host:path`, or an address with https, http, ssh or file. A password has no place
    in it: it would stand in arguments, logs and the settings.
    """
    problem = _url_problem(url)
    if problem:
        raise UsageError(
            f"model_repo_url {problem}",
            fix="set it to https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH or an absolute path",
        )
    return url


def _url_problem(url: str) -> str:
    if not url or len(url) > _LONGEST or not url.isprintable() or " " in url:
        return "is empty, too long, or holds spaces or control characters"
    scheme, separator, _ = url.partition("://")
    if not separator:
        right = (url.startswith("/") and not url.startswith("//")) or _SCP.fullmatch(url)
        return "" if right else f"is {names.shown(url)}: no address of a git remote"
    if scheme not in SCHEMES:
        return f"begins with {names.shown(scheme)}: only {', '.join(SCHEMES)} are used"
    return _location_problem(url, scheme)


def _location_problem(url: str, scheme: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is no address"
    if ":" in parts.netloc.rpartition("@")[0]:
        return "holds a password: let git's credential helper or an SSH key do that"
    if scheme == "file":
        right = not parts.netloc and parts.path.startswith("/")
    else:
        right = bool(_NETWORK_LOCATION.fullmatch(parts.netloc)) and not parts.path.startswith("/-")
    return "" if right else f"is {names.shown(url)}: its host or its path cannot be one"


def check_branch(branch: str) -> str:
    """Return the branch's name if it can be one by git's rules and is no pattern. Raises UsageError."""
    if not branch or len(branch) > _LONGEST or not branch.isprintable() or _NO_BRANCH.search(branch):
        raise UsageError(
            f"model_repo_branch is {names.shown(branch)}: no name of a branch",
            fix="set it to the branch's whole name, without refs/heads/ and without * or ?",
        )
    return branch


def resolve(url: str, branch: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Return the commit that the branch is at, 40 or 64 hex digits.

    Raises UsageError for a value that is never given to git, PreflightError when the remote has no such
    branch, cannot be read, or does not answer in time.
    """
    wanted = f"refs/heads/{check_branch(branch)}"
    command = ["ls-remote", "--exit-code", "--quiet", "--", check_url(url), wanted]
    finished = run(command, timeout_seconds, f"the git remote {url} (model_repo_url)")
    if finished.returncode not in {0, _NO_SUCH_REF}:
        raise PreflightError(
            f"the git remote {url} (model_repo_url) cannot be read: {reported(finished)}",
            fix="check model_repo_url and that this machine may read it",
        )
    # ls-remote compares the ends of names: refs/foo/refs/heads/main is listed for refs/heads/main.
    rows = [line.split("\t") for line in finished.stdout.splitlines()]
    found = {row[0] for row in rows if row[1:] == [wanted] and _COMMIT.fullmatch(row[0])}
    if len(found) != 1:
        raise PreflightError(
            f"the git remote {url} has no branch {branch} (model_repo_branch)",
            fix="push the branch, or correct model_repo_branch",
        )
    return found.pop()


def check_commit(commit: str) -> str:
    """Return the id if it is one. Raises UsageError."""
    if not _COMMIT.fullmatch(commit):
        raise UsageError(f"{names.shown(commit)} is no commit", fix="give its whole id, 40 or 64 hex digits")
    return commit


def run(arguments: Sequence[str], timeout_seconds: float, what: str) -> subprocess.CompletedProcess[str]:
    """Run git, and at the deadline end it with all that it started. The caller's folder has no part in it.

    `what` is who did not answer, for the message. Raises PreflightError.
    """
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]
    child = subprocess.Popen(
        command,
        cwd="/",
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise PreflightError(
            f"{what} did not answer in {timeout_seconds:g} s", fix="check the network and model_repo_url"
        ) from error
    finally:
        _end(child)
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def _end(child: subprocess.Popen[str]) -> None:
    """End git and the ssh that it may have started, which would hold its pipes."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT)
    }
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        # A program that prints a token, which CI systems set. Empty: git asks no other program either.
        "GIT_ASKPASS": os.environ.get("GIT_ASKPASS", ""),
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
    }


def reported(finished: subprocess.CompletedProcess[str]) -> str:
    """Return git's reason for what went wrong, as one line that is safe on a terminal.

    That is the first line that git marks as one; ssh's warnings and a server's greeting come before it.
    """
    lines = [line for line in finished.stderr.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith(_REASONS)), lines[-1] if lines else "")
    words = "".join(sign for sign in reason if sign.isprintable())
    return words[:200].strip() or f"git exited with {finished.returncode}"
