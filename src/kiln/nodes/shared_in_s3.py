"""What nodes fetch from S3 with their own role: the program, releases, and what the nodes of a run have.

It lies below `<state>/nodes/<environment>/`, which nodes can read and cannot write. Program and releases have
their SHA-256 in their names; the items of a run are one small document each, replaced by every deploy.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kiln.aws.content import put_once
from kiln.errors import ConditionFailedError, UsageError
from kiln.nodes import definition, program
from kiln.nodes.definition import Environment, Files, Release, Secrets, System
from kiln.settings import names
from kiln.settings.model import BootstrapAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.effects import Effects
    from kiln.nodes.definition import Item

ACTION_NAME = "Kiln: what the other nodes have"
# For how long a node that joins waits for the secrets before Hadoop starts on it: a driver that runs sees
# it within a minute.
_SECRETS_SECONDS = 120.0
_TRIES = 5


class Place(NamedTuple):
    """Where it lies. `state_uri` is s3://bucket/prefix."""

    state_uri: str
    environment: str

    @property
    def _folder(self) -> str:
        return f"{self.state_uri}/nodes/{names.check('environment', self.environment)}"

    def program(self, name: str, digest: str) -> str:
        """Return the address of a part of the program."""
        return f"{self._folder}/program/{digest}-{name}"

    def release(self, item: Release) -> str:
        """Return the address of a release's archive."""
        return f"{self._folder}/releases/{item.sha256}.tar"

    def items(self, pipeline: str, run_id: str) -> str:
        """Return the folder of what the nodes of a run have."""
        return f"{self._folder}/runs/{names.check('pipeline', pipeline)}/{names.check_run_id(run_id)}"


def join_action(place: Place, pipeline: str, run_id: str) -> BootstrapAction:
    """Return the bootstrap action for the cluster of a run."""
    script, source = _parts(place)
    digest = hashlib.sha256(program.joined_source()).hexdigest()
    arguments = (source, digest, f"{place.items(pipeline, run_id)}/")
    return BootstrapAction(name=ACTION_NAME, path=script, args=arguments)


def publish_program(effects: Effects, place: Place) -> None:
    """Put script and program there, before a cluster is launched that refers to them."""
    script, source = _parts(place)
    put_once(effects, script, program.JOIN_SCRIPT.read_bytes())
    put_once(effects, source, program.joined_source())


def _parts(place: Place) -> tuple[str, str]:
    script, source = program.JOIN_SCRIPT.read_bytes(), program.joined_source()
    return (
        place.program("join.sh", hashlib.sha256(script).hexdigest()),
        place.program("program.json", hashlib.sha256(source).hexdigest()),
    )


def publish_release(effects: Effects, place: Place, item: Release) -> str:
    """Put a release's archive there, unless it is there; return its address."""
    address = place.release(item)
    put_once(effects, address, Path(item.archive).read_bytes())
    return address


def publish_items(effects: Effects, folder: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Let nodes that join from now on have these items, by label. Raises UsageError, AwsError."""
    for label, document in documents.items():
        _replace(effects, f"{folder}/{label}.json", msgspec.json.encode(document))


def document_of(item: Item, place: Place, archive: tuple[str, str] | None) -> dict[str, Any]:
    """Return an item as nodes that join get it. `archive`: address and SHA-256 of the environment's."""
    if isinstance(item, Secrets):
        # Only their place: what they are never lies in S3.
        return {"path": item.path, "wait_seconds": _SECRETS_SECONDS}
    document = definition.document_of(item)
    if isinstance(item, Files | System):
        own = definition.contents(item).items()
        return document | {
            "contents": {digest: base64.b64encode(content).decode() for digest, content in own}
        }
    if isinstance(item, Release):
        return document | {"archive": place.release(item)}
    if isinstance(item, Environment) and archive is not None:
        return document | {"archive": archive[0], "sha256": archive[1]}
    return document


def _replace(effects: Effects, address: str, body: bytes) -> None:
    for _ in range(_TRIES):
        stored = effects.get_object(address)
        if stored and stored.body == body:
            return
        try:
            effects.put_object(address, body, replaces=stored.etag if stored else None)
        except ConditionFailedError:
            continue  # another command has written its own: the last one counts
        return
    raise UsageError(f"{address} keeps changing", fix="deploy again")
