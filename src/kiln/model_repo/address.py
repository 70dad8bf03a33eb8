"""The address of a model repo's git remote: which ones git may be given.

A transport helper (`ext::`, `fd::`, `x::`) runs a command or reads a descriptor, `git://` has no
authentication at all, and what begins with `-` would be an option: all of these are refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Collection

SSH, FILE = "ssh", "file"
# All that the setting model_repo_protocols may name. A path on the control host is `file` too.
PROTOCOLS = ("https", "http", SSH, FILE)
_LONGEST = 1000
_SSH_PORT = 22
_MOST_PORTS = 65_535
_USER = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SCP = re.compile(rf"{_USER}({_HOST}):(?![-:])[^:]*")
_NETWORK_LOCATION = re.compile(rf"{_USER}(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?")
_FIX = "set it to https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"


class Server(NamedTuple):
    """The SSH server of a remote."""

    host: str
    port: int

    @property
    def known_as(self) -> str:
        """Return the name that ssh looks up in its file of host keys (sshd(8), SSH_KNOWN_HOSTS)."""
        return self.host if self.port == _SSH_PORT else f"[{self.host}]:{self.port}"


def check(url: str, protocols: Collection[str] = PROTOCOLS) -> str:
    """Return the remote's address if git may be given it. Raises UsageError.

    An absolute path, `user@host:path`, or an address with one of the protocols. A password has no place in
    it: it would stand in arguments, logs and the settings.
    """
    problem = _problem(url)
    if problem:
        raise UsageError(f"model_repo_url {problem}", fix=_FIX)
    used = protocol(url)
    if used not in protocols:
        raise UsageError(
            f"model_repo_url is {names.shown(url)}: model_repo_protocols does not allow {used}",
            fix=f"{_FIX}; or add {used} to model_repo_protocols, in the environment that needs it",
        )
    return url


def protocol(url: str) -> str:
    """Return what git uses for a checked address: one of PROTOCOLS."""
    scheme, separator, _ = url.partition("://")
    if separator:
        return scheme
    return FILE if url.startswith("/") else SSH


def server(url: str) -> Server | None:
    """Return the SSH server of a checked address; None when another protocol is used."""
    if protocol(url) != SSH:
        return None
    if match := _SCP.fullmatch(url):
        return Server(match[1].lower(), _SSH_PORT)
    parts = urlsplit(url)
    return Server(parts.hostname or "", parts.port or _SSH_PORT)


def _problem(url: str) -> str:
    if not url or len(url) > _LONGEST or not url.isprintable() or " " in url:
        return "is empty, too long, or holds spaces or control characters"
    scheme, separator, _ = url.partition("://")
    if not separator:
        right = (url.startswith("/") and not url.startswith("//")) or _SCP.fullmatch(url)
        return "" if right else f"is {names.shown(url)}: no address of a git remote"
    if scheme not in PROTOCOLS:
        return f"begins with {names.shown(scheme)}: only {', '.join(PROTOCOLS)} are used"
    return _location_problem(url, scheme)


def _location_problem(url: str, scheme: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port if scheme != FILE else None
    except ValueError:
        return "is no address"
    if ":" in parts.netloc.rpartition("@")[0]:
        return "holds a password: use a deploy key (model_repo_deploy_key) and ssh"
    if scheme == FILE:
        right = not parts.netloc and parts.path.startswith("/")
    else:
        right = bool(_NETWORK_LOCATION.fullmatch(parts.netloc)) and not parts.path.startswith("/-")
        right = right and (port is None or 0 < port <= _MOST_PORTS)
    return "" if right else f"is {names.shown(url)}: its host or its path cannot be one"
