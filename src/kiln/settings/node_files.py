"""The setting `emr_node_files`: plain files of every node, and what they may not be."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from kiln.errors import UsageError
from kiln.settings import names
from kiln.settings.fields import Model, doc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEY = "emr_node_files"
# In all: they go through every node's connection, and to nodes that join in one S3 object.
MOST_BYTES = 1024 * 1024
# With the length of a path it keeps the question to a node's shell below what one argument may have.
MOST_FILES = 100

_PATH = re.compile(r"(?:/[A-Za-z0-9_@%+,=.:-]+){2,}")
_MOST_PATH = 200
_USER = Meta(pattern=r"^[a-z_][a-z0-9_-]{0,31}\Z", title="the name of a user or group")

_KILN = "Kiln's own"
_OS = "the operating system's: install a package, or write below /usr/local"
_LOGINS = "what logins to the node need: one mistake there locks everybody out, Kiln too"
_NETWORK = "what the node finds its disks and other machines by"
_EMR = "EMR's, which writes it when Hadoop starts: use emr_cluster_configurations"
_MEMORY = "no file of a disk"
_EMPTIED = "emptied by the system, and every user may write there"
# Path, for itself and all below it -> whose it is.
_REFUSED = {
    "/opt/kiln": _KILN,
    "/home/hadoop/.kiln": _KILN,
    "/etc/sysctl.d/90-kiln.conf": f"{_KILN}: use emr_node_system_settings",
    "/etc/security": f"{_LOGINS}; for limits use emr_node_system_settings",
    **dict.fromkeys(["/bin", "/boot", "/lib", "/lib64", "/sbin", "/usr", "/var/lib/rpm"], _OS),
    **dict.fromkeys(["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"], _LOGINS),
    **dict.fromkeys(["/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/pam.d", "/etc/ssh"], _LOGINS),
    **dict.fromkeys(["/etc/sudo.conf", "/etc/sudoers", "/etc/sudoers.d"], _LOGINS),
    **dict.fromkeys(["/etc/fstab", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"], _NETWORK),
    **dict.fromkeys(["/emr", "/etc/hadoop", "/etc/hive", "/etc/spark"], _EMR),
    **dict.fromkeys(["/dev", "/proc", "/run", "/sys", "/var/run"], _MEMORY),
    **dict.fromkeys(["/tmp", "/var/tmp"], _EMPTIED),  # noqa: S108  # refused
}
_ALLOWED = "/usr/local"
_SSH = ".ssh"


class NodeFile(Model, frozen=True, kw_only=True):
    """A file with its content as text, or as a file of the checkout."""

    path: Annotated[str, doc("Where it lies on every node.")]
    content: Annotated[str | None, doc("What it holds, as text. A file has `content` or `source`.")] = None
    source: Annotated[
        str, doc("A file with what it holds, text or not, path from the top of the repo; never a template.")
    ] = ""
    owner: Annotated[str, _USER, doc("User, who must be on the node.")] = "root"
    group: Annotated[str, _USER, doc("Group.")] = "root"
    mode: Annotated[
        str,
        Meta(
            pattern=r"^0[0-7][0-7][0145]\Z", title="a mode in quotes, such as '0644', not writable for others"
        ),
        doc("Mode in octal digits, in quotes. Others cannot write."),
    ] = "0644"


def content_of(file: NodeFile, checkout: Path) -> bytes:
    """Return what a file holds. Raises UsageError for a source that is no file below the checkout."""
    if not file.source:
        return (file.content or "").encode()
    source = checkout / file.source
    try:
        # A path with a NUL is none.
        if (
            file.source.isprintable()
            and source.resolve().is_relative_to(checkout.resolve())
            and source.is_file()
        ):
            with source.open("rb") as stream:
                return stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"source is {names.shown(file.source)}: {error.strerror}", fix="make it readable"
        ) from error
    raise UsageError(
        f"source is {names.shown(file.source)}: there is no such file in the checkout",
        fix="correct it: a path from the top of the repo",
    )


def problems(files: Sequence[NodeFile], checkout: Path, place: Callable[[str], str]) -> Iterator[UsageError]:
    """Yield what keeps files from being written; `place` returns the file and line of a key."""
    if len(files) > MOST_FILES:
        yield UsageError(
            f"{place(KEY)}: {KEY} has {len(files)} files: at most {MOST_FILES}", fix="put them into a package"
        )
    size = 0
    for number, file in enumerate(files):
        key = f"{KEY}[{number}]"
        earlier = [one.path for one in files[:number]]
        if problem := _problem_of(file.path, earlier):
            shown = names.shown(file.path)
            yield UsageError(f"{place(f'{key}.path')}: {key}.path is {shown}: {problem}", fix="correct it")
        if (file.content is None) == (not file.source):
            both = "both content and source" if file.source else "neither content nor source"
            yield UsageError(f"{place(key)}: {key} has {both}", fix="give it one of them")
            continue
        try:
            size += len(content_of(file, checkout))
        except UsageError as error:
            where = place(f"{key}.source")
            yield UsageError(f"{where}: {key}.{error.message}", fix=error.fix)
        except UnicodeEncodeError:
            yield UsageError(f"{place(key)}: {key}.content is no text in UTF-8", fix="give it as source")
    if size > MOST_BYTES:
        yield UsageError(
            f"{place(KEY)}: {KEY} holds more than 1 MiB in all",
            fix="put large files into the model repo, a package or S3",
        )


def _problem_of(path: str, earlier: Sequence[str]) -> str:
    """Return why nothing may be written there; empty when it may."""
    if len(path) > _MOST_PATH or not _PATH.fullmatch(path) or not _is_normal(path):
        return (
            "expected the absolute path of a file in a folder, of letters, digits and _ @ % + , = . : -, "
            f"without . and .., at most {_MOST_PATH} characters"
        )
    for refused, whose in _REFUSED.items():
        if _is_below(path, refused) and not (_is_below(path, _ALLOWED) and path != _ALLOWED):
            return f"{refused} is {whose}"
    if _SSH in PurePosixPath(path).parts:
        return f"{_SSH} is {_LOGINS}"
    if path in earlier:
        return "named twice"
    clash = [one for one in earlier if _is_below(one, path) or _is_below(path, one)]
    return f"it is a file and a folder, because of {clash[0]}" if clash else ""


def _is_normal(path: str) -> bool:
    return not {".", ".."} & set(path.split("/"))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
