"""How the items of a run get to nodes by S3, with the nodes' own role, and not through connections."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kiln.nodes import definition, environment_digests, shared_in_s3
from kiln.nodes.definition import Environment, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.ansible_modules.node_run import Run
    from kiln.aws.effects import Effects
    from kiln.nodes.definition import Item


@dataclass(kw_only=True)
class Delivery:
    """The items of one apply. `effects` is called in a thread, when AWS is needed.

    `by_s3`: the nodes fetch the release themselves, because they are many.
    """

    items: Sequence[Item]
    environment: str
    run: Run
    by_s3: bool
    effects: Callable[[], Effects]
    _upload: Future[None] | None = field(default=None, init=False)

    @property
    def _place(self) -> shared_in_s3.Place:
        return shared_in_s3.Place(self.run.state_uri, self.environment)

    def begin(self) -> None:
        """Upload the release while nodes are connected to; before that when they will fetch it."""
        releases = [item for item in self.items if isinstance(item, Release)]
        if not releases or not (self.run.is_whole or self.by_s3):
            return
        pool = ThreadPoolExecutor(max_workers=1)
        self._upload = pool.submit(self._publish_release, releases[0])
        pool.shutdown(wait=False)
        if self.by_s3:
            self._upload.result()

    def _publish_release(self, item: Release) -> None:
        shared_in_s3.publish_release(self.effects(), self._place, item)

    def documents(self) -> list[dict[str, Any]]:
        """Return the items as they are sent to nodes."""
        return [
            shared_in_s3.document_of(item, self._place, None)
            if self.by_s3 and isinstance(item, Release)
            else definition.document_of(item)
            for item in self.items
        ]

    def finish(self) -> None:
        """Let nodes that join later have the same, once all nodes have it. Raises KilnError."""
        if self._upload is not None:
            self._upload.result()
        if not self.run.is_whole:
            return
        documents = {
            definition.label(item): shared_in_s3.document_of(item, self._place, self._archive_of(item))
            for item in self.items
        }
        folder = self._place.items(self.run.pipeline, self.run.run_id)
        shared_in_s3.publish_items(self.effects(), folder, documents)

    def _archive_of(self, item: Item) -> tuple[str, str] | None:
        if not isinstance(item, Environment):
            return None
        place = environment_digests.Place(item.state_uri, self.environment, item.hash)
        digest = environment_digests.read(self.effects(), place)
        return (place.archive(digest), digest) if digest else None
