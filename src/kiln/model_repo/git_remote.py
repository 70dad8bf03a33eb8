"""A model repo's git remote: how it is reached, and how its commits are fetched."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kiln.errors import PreflightError, UsageError
from kiln.model_repo import address, git_process, ssh_access

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

# What may be used unless the settings say more (model_repo_protocols).
PROTOCOLS = ("https", "ssh")
TIMEOUT_SECONDS = 30
FETCH_SECONDS = 1800
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
# How git says that a server does not give a commit by its id; the last: it is no id in that repository.
_NOT_SERVED = ("unadvertised object", "not our ref", "couldn't find remote ref")
# A part of what ssh or a server writes -> what is wrong, and the fix. The first that is found counts.
_CAUSES = (
    (
        "Host key verification failed",
        "the host key of the server is not the one in model_repo_host_keys",
        "ask the server's operator whether its key was changed; if it was, put the new line there",
    ),
    (
        "Permission denied (",
        "the server refuses the SSH key",
        "add the public half of model_repo_deploy_key to the repo's deploy keys, with leave to read",
    ),
    (
        "could not read Username",
        "the server asks for a password",
        "use ssh with a deploy key (model_repo_deploy_key); Kiln asks no credential helper",
    ),
    (
        "detected dubious ownership",
        "the repository belongs to another user",
        "give it to the user that runs Kiln, or serve it by ssh or https",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A remote and how it may be reached.

    `host_keys` are lines of a known_hosts file, needed for SSH. `deploy_key` is the text of a private key;
    without one ssh uses those of the user's agent and home.
    """

    url: str
    protocols: tuple[str, ...] = PROTOCOLS
    host_keys: tuple[str, ...] = ()
    deploy_key: str = field(default="", repr=False)

    def with_key(self, deploy_key: str) -> Remote:
        """Return the remote with a deploy key."""
        return replace(self, deploy_key=deploy_key)

    def check(self) -> None:
        """Raise UsageError for what can be refused without the network."""
        address.check(self.url, self.protocols)
        if self.deploy_key and address.server(self.url) is None:
            raise UsageError(
                "model_repo_deploy_key is set, and model_repo_url is no address for ssh",
                fix="set model_repo_url to ssh://USER@HOST/PATH, or remove the key",
            )


@dataclass(frozen=True)
class Connection:
    """git with access to one remote."""

    url: str
    environment: dict[str, str]

    def git(self, seconds: float, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git. Raises PreflightError at the deadline."""
        what = f"the git remote {self.url} (model_repo_url)"
        return git_process.run(arguments, seconds, what, self.environment)


@contextmanager
def connected(remote: Remote) -> Iterator[Connection]:
    """Give access to a remote; the deploy key exists as a file only as long as this lasts.

    Raises UsageError, and PreflightError when there is no place for the key.
    """
    remote.check()
    server = address.server(remote.url)
    ssh = ssh_access.command(server, remote.host_keys, remote.deploy_key) if server else nullcontext("false")
    with ssh as command:
        protocols = ":".join(remote.protocols)
        yield Connection(
            remote.url,
            {"GIT_ALLOW_PROTOCOL": protocols, "GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"},
        )


def refused(connection: Connection, finished: subprocess.CompletedProcess[str]) -> PreflightError:
    """Return the error for a git command that the remote has refused, or could not be reached for."""
    for sign, problem, fix in _CAUSES:
        if sign in finished.stderr:
            return PreflightError(f"the git remote {connection.url} (model_repo_url): {problem}", fix=fix)
    return PreflightError(
        f"the git remote {connection.url} (model_repo_url) cannot be read: {git_process.reported(finished)}",
        fix="check model_repo_url and that this machine may read it",
    )


def make_repository(folder: str) -> None:
    """Make an empty bare repository, or leave the one that is there. Raises PreflightError."""
    # No template: its hooks would come along.
    arguments = ("init", "--quiet", "--bare", "--template=", "--", folder)
    finished = git_process.run(arguments, FETCH_SECONDS, "git")
    if finished.returncode != 0:
        raise PreflightError(
            f"git init failed in {folder}: {git_process.reported(finished)}",
            fix="free some space there and make it writable",
        )


_OPTIONS = (
    "--quiet",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
    "--no-write-fetch-head",
)


def fetch_commit(connection: Connection, folder: str, commit: str, *options: str) -> bool:
    """Fetch one commit by its id into a repository; return False when the server does not give it that way.

    A server that speaks protocol 0 or 1 gives only what its refs are at, unless it has
    uploadpack.allowReachableSHA1InWant (git-config(1)); protocol 2 gives any object that it has.
    """
    finished = _fetch(connection, folder, ("--depth=1", *options), commit)
    if finished.returncode == 0:
        return True
    if any(sign in finished.stderr for sign in _NOT_SERVED):
        return False
    raise refused(connection, finished)


def fetch_all(connection: Connection, folder: str, *options: str) -> None:
    """Fetch all branches and tags with their whole history. Raises PreflightError."""
    # The depth is git's infinity: a repository that was shallow becomes complete.
    wanted = ("+refs/heads/*:refs/kiln/heads/*", "+refs/tags/*:refs/kiln/tags/*")
    finished = _fetch(connection, folder, ("--depth=2147483647", *options), *wanted)
    if finished.returncode != 0:
        raise refused(connection, finished)


def _fetch(
    connection: Connection, folder: str, options: tuple[str, ...], *wanted: str
) -> subprocess.CompletedProcess[str]:
    # By a name: git does not record an address as one that leaves out objects when it begins with a slash.
    remote = f"remote.model_repo.url={connection.url}"
    place = (f"--git-dir={folder}", "-c", remote)
    return connection.git(FETCH_SECONDS, *place, *_FETCH, *options, "--", "model_repo", *wanted)
