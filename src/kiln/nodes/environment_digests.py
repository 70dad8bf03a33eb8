"""Digests of packed Python environments, in S3 where nodes cannot write.

Nodes build and pack environments and may write below `<state>/envs/` (iam/instance_profile.json), so an
archive there is not trusted. The control host gets its SHA-256 from the node that built it, and keeps
it below `<state>/digests/`; every node compares before root unpacks anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.errors import ConditionFailedError, UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from kiln.aws.effects import Effects

FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{16}")
_TRIES = 5


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    sha256: str


class Place(NamedTuple):
    """Where a packed environment and its digest are stored. `state_uri` is s3://bucket/prefix."""

    state_uri: str
    environment: str
    environment_hash: str

    @property
    def document(self) -> str:
        """The address of the digest."""
        return f"{self.state_uri}/digests/{self.environment}/{self.environment_hash}.json"

    def archive(self, digest: str) -> str:
        """Return the address of the archive with this digest: two that build at once do not meet there."""
        return f"{self.state_uri}/envs/{self.environment_hash}-{digest}.tar.zst"


def read(effects: Effects, place: Place) -> str:
    """Return the digest of an archive that is there, or nothing: then the environment has to be built.

    An unreadable document counts as none. Raises AwsError when S3 refuses.
    """
    _check(place)
    stored = effects.get_object(place.document)
    digest = _digest_in(stored.body) if stored else ""
    archive = place.archive(digest)
    there = bool(digest) and any(found.uri == archive for found in effects.list_objects(archive))
    return digest if there else ""


def keep(effects: Effects, place: Place, digest: str) -> bool:
    """Keep the digest of an archive that a node has built; return whether it is another than before.

    Raises UsageError for what is no digest, AwsError when S3 refuses.
    """
    _check(place)
    if not _DIGEST.fullmatch(digest):
        raise UsageError(f"{names.shown(digest)} is no SHA-256 in hex", fix="run provision again")
    body = msgspec.json.encode(_Document(format=FORMAT, sha256=digest))
    for _ in range(_TRIES):
        stored = effects.get_object(place.document)
        if stored and stored.body == body:
            return False
        try:
            effects.put_object(place.document, body, replaces=stored.etag if stored else None)
        except ConditionFailedError:
            continue  # another run has kept its own: any of them is good, the last one counts
        return True
    raise UsageError(f"{place.document} keeps changing", fix="run provision again")


def _digest_in(body: bytes) -> str:
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    right = document.format == FORMAT and _DIGEST.fullmatch(document.sha256)
    return document.sha256 if right else ""


def _check(place: Place) -> None:
    names.check("environment", place.environment)
    if not _HASH.fullmatch(place.environment_hash):
        raise UsageError(
            f"emr_node_environment_hash is {names.shown(place.environment_hash)}: expected 16 hex digits",
            fix="leave it to group_vars/all/python_environment.yml",
        )
