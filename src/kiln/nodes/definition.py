"""What a node must have: an ordered list of items, checked before any connection is made."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.errors import UsageError
from kiln.settings import names, node_files, system_settings
from kiln.settings.node_files import NodeFile
from kiln.settings.system_settings import SystemSettings  # noqa: TC001  # msgspec reads the types of fields

if TYPE_CHECKING:
    from collections.abc import Iterator

# A name of dnf, or what a package provides: no option, no path, no address, no pattern.
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:~^()-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{16}")
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,62}(?:/[A-Za-z0-9!_.*'()-]+)*")
_ENVIRONMENTS = PurePosixPath("/opt/kiln/envs")
_MODELS = PurePosixPath("/opt/kiln/models")
# The settings of the kernel as the kernel shows them, and what sets them at boots and logins.
_KERNEL = "/proc/sys"
_KERNEL_FILE = "/etc/sysctl.d/90-kiln.conf"
_LIMITS_FILE = "/etc/security/limits.d/90-kiln.conf"

RELEASE = "release"


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tags`: which --tags choose it."""

    tags: tuple[str, ...] = ()


class Packages(_Item, frozen=True, tag_field="kind", tag="packages"):
    """OS packages, installed in one transaction."""

    names: tuple[str, ...]
    lock_timeout_seconds: float


class Environment(_Item, frozen=True, tag_field="kind", tag="environment"):
    """The Python environment `hash`, from its archive below `state_uri`, or built from `requirements`."""

    hash: str
    path: str
    state_uri: str
    python_version: str
    architecture: str
    requirements: str


class Files(_Item, frozen=True, tag_field="kind", tag="files"):
    """Plain files. `checkout` is the folder that their sources lie in."""

    files: tuple[NodeFile, ...]
    checkout: str


class System(_Item, frozen=True, tag_field="kind", tag="system_settings"):
    """Settings of the kernel, and limits of users."""

    settings: SystemSettings


class Release(_Item, frozen=True, tag_field="kind", tag=RELEASE):
    """A commit of the model repo `name`, packed in `archive` on the control host."""

    name: str
    commit: str
    archive: str
    sha256: str
    kept: int


class Secrets(_Item, frozen=True, tag_field="kind", tag="secrets"):
    """A file of the pipeline's secrets. What it holds is no part of the definition."""

    path: str
    owner: str
    vault_file: str
    shown_as: str


Item = Packages | Files | System | Environment | Release | Secrets


def convert(documents: Any) -> tuple[Item, ...]:
    """Return the items of a definition. Raises UsageError with item, key, value and fix."""
    if not isinstance(documents, list | tuple):
        raise UsageError("the definition of the nodes is no list of items", fix="correct emr_node_items")
    return tuple(_item(number, document) for number, document in enumerate(documents, 1))


def label(item: Item) -> str:
    """Return an item's name in results."""
    return str(item.__struct_config__.tag)


def _item(number: int, document: Any) -> Item:
    kind = document.get("kind") if isinstance(document, dict) else None
    place = f"item {number} of the nodes' definition ({names.shown(str(kind))})"
    try:
        item: Item = msgspec.convert(document, Item)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        problem = ascii(str(error))[1:-1][:200]
        raise UsageError(f"{place}: {problem}", fix="correct emr_node_items") from None
    for key, value, problem in _problems(item):
        raise UsageError(f"{place}: {key} is {names.shown(value)}: expected {problem}", fix=f"correct {key}")
    for found in _problems_of_files(item, place):
        raise found
    return item


def _problems_of_files(item: Item, place: str) -> Iterator[UsageError]:
    if isinstance(item, Files) and not item.checkout.isprintable():
        yield UsageError(
            f"{place}: kiln_checkout is {names.shown(item.checkout)}: expected a path", fix="correct it"
        )
    elif isinstance(item, Files):
        yield from node_files.problems(item.files, Path(item.checkout), lambda _key: place)
    if isinstance(item, System):
        yield from system_settings.problems(item.settings, lambda _key: place)


def _problems(item: Item) -> list[tuple[str, str, str]]:
    """Return (key, value, what is expected) of every value that cannot be used."""
    if isinstance(item, Packages):
        checks = [("emr_node_os_packages", one, _PACKAGE, "the name of a package") for one in item.names]
        return _mismatches(checks) + _too_small("emr_node_lock_timeout_seconds", item.lock_timeout_seconds, 0)
    if isinstance(item, Environment):
        own_path = re.compile(re.escape(str(_ENVIRONMENTS / item.hash)))
        return _mismatches(
            [
                ("emr_node_environment_hash", item.hash, _HASH, "16 hex digits"),
                ("emr_node_environment_path", item.path, own_path, f"a folder of {_ENVIRONMENTS}"),
                ("kiln_state_uri", item.state_uri, _S3, "s3://bucket/prefix"),
                ("emr_node_python_version", item.python_version, _PYTHON, "a version such as 3.11"),
                (
                    "emr_node_architecture",
                    item.architecture,
                    re.compile("x86_64|aarch64"),
                    "x86_64 or aarch64",
                ),
            ]
        )
    if isinstance(item, Release):
        return _mismatches(
            [
                ("model_repo_name", item.name, names.FOLDER, names.FOLDER_WORDS),
                ("model_repo_commit", item.commit, _COMMIT, "a whole commit id"),
                ("model_repo_sha256", item.sha256, _SHA256, "a SHA-256 in hex"),
            ]
        ) + _too_small("model_repo_kept_releases", item.kept, 1)
    if not isinstance(item, Secrets):
        return []
    found = _mismatches([("node_secrets_owner", item.owner, _USER, "the name of a user")])
    wrong = [("node_secrets_folder", item.path, "a folder's absolute path")]
    return found + ([] if _is_plain(item.path) else wrong)


def _is_plain(text: str) -> bool:
    """Return whether this is a file's path below a folder, without `..` and signs that are not shown."""
    path = PurePosixPath(text)
    is_written_so = str(path) == text and path.is_absolute() and text.isprintable()
    return is_written_so and ".." not in path.parts and path.parent.parent != path.parent


def _mismatches(checks: list[tuple[str, str, re.Pattern[str], str]]) -> list[tuple[str, str, str]]:
    return [(key, value, words) for key, value, form, words in checks if not form.fullmatch(value)]


def _too_small(key: str, value: float, least: int) -> list[tuple[str, str, str]]:
    return [] if value >= least else [(key, str(value), f"{least} or more")]


def document_of(item: Item) -> dict[str, Any]:
    """Return an item as it is sent to a node."""
    if isinstance(item, Packages):
        return {"kind": "packages", "names": item.names, "lock_timeout_seconds": item.lock_timeout_seconds}
    if isinstance(item, Environment):
        archives = f"{item.state_uri}/envs/{item.hash}"
        sent = {"path": item.path, "python_version": item.python_version, "archives": archives}
        return {"kind": "environment", **sent}
    if isinstance(item, Release):
        sent = {"root": str(_MODELS / item.name), "commit": item.commit, "sha256": item.sha256}
        return {"kind": RELEASE, **sent, "kept": item.kept}
    if isinstance(item, Files | System):
        return _document_with_files(item)
    sent = {"path": item.path, "owner": item.owner, "blob": "secrets"}
    return {"kind": "secret_file", **sent, "mode": 0o600}


def _document_with_files(item: Files | System) -> dict[str, Any]:
    files = [
        {
            "path": file.path,
            "owner": file.owner,
            "group": file.group,
            "mode": int(file.mode, 8),
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for file, content in _with_content(item)
    ]
    if isinstance(item, Files):
        return {"kind": "files", "files": files}
    kernel = {name: str(value) for name, value in sorted(item.settings.kernel.items())}
    return {"kind": "system_settings", "files": files, "kernel": kernel, "folder": _KERNEL}


def contents(item: Item) -> dict[str, bytes]:
    """Return by SHA-256 what an item's files hold; nothing of other kinds. Raises UsageError."""
    if not isinstance(item, Files | System):
        return {}
    return {hashlib.sha256(content).hexdigest(): content for _, content in _with_content(item)}


def _with_content(item: Files | System) -> list[tuple[NodeFile, bytes]]:
    if isinstance(item, Files):
        return [(file, node_files.content_of(file, Path(item.checkout))) for file in item.files]
    texts = {}
    if item.settings.kernel:
        texts[_KERNEL_FILE] = system_settings.kernel_file(item.settings.kernel)
    if any(item.settings.limits.values()):
        texts[_LIMITS_FILE] = system_settings.limits_file(item.settings.limits)
    return [(NodeFile(path=path, content=text), text.encode()) for path, text in texts.items()]


def fingerprint(item: Item) -> str:
    """Return what a node has that has this item, in a short form: equal for equal items.

    What a file of secrets holds is no part of it: whoever reads a digest could try values.
    """
    if isinstance(item, Release):
        return item.commit
    if isinstance(item, Environment):
        return item.hash
    parts: Any
    if isinstance(item, Packages):
        parts = sorted(item.names)
    elif isinstance(item, Files | System):
        keys = "path", "sha256", "owner", "group", "mode"
        parts = sorted([file[key] for key in keys] for file in _document_with_files(item)["files"])
    else:
        parts = [item.path, item.owner]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def chosen(items: tuple[Item, ...], run_tags: list[str], skip_tags: list[str]) -> tuple[Item, ...]:
    """Return the items that --tags and --skip-tags leave, as Ansible chooses tasks."""
    everything = {"all", "tagged"} & set(run_tags)
    return tuple(
        item
        for item in items
        if (everything or set(item.tags) & set(run_tags)) and not set(item.tags) & set(skip_tags)
    )
