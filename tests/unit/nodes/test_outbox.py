"""What goes to a node: all of it, in order, and only a little content ahead of what the node has read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kiln.nodes.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
SIZE = 40 * 1024 * KIB


class Pipe:
    """Takes what is written; `arrives` is told how much."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        await asyncio.sleep(0)


async def settled(pipe: Pipe) -> int:
    """Return how much has been written when nothing more comes by itself."""
    before = -1
    while before != len(pipe.written):
        before = len(pipe.written)
        for _ in range(20):
            await asyncio.sleep(0)
    return before


@pytest.mark.parametrize("in_a_file", [True, False])
def test_content_waits_for_the_node_which_gets_all_of_it_in_order(tmp_path: Path, *, in_a_file: bool) -> None:
    content = bytes(range(256)) * (SIZE // 256)
    blob: bytes | Path = content
    if in_a_file:
        blob = tmp_path / "blob"
        blob.write_bytes(content)
    ahead = asyncio.run(sent(blob, content))
    assert ahead[0] == 256 * KIB
    assert max(ahead) == 1024 * KIB
    assert ahead == sorted(ahead)


async def sent(blob: bytes | Path, content: bytes) -> list[int]:
    """Send it to a node that reads when nothing more comes; return how much was under way each time."""
    outbox, pipe = Outbox(), Pipe()
    outbox.give("wheels", blob)
    outbox.put(b"after it\n")
    task = asyncio.create_task(outbox.send(pipe))  # type: ignore[arg-type]  # a StreamWriter's part of it
    head = b'{"name":"wheels","size":%d}\n' % SIZE
    arrived, ahead = 0, []
    while arrived < SIZE:
        under_way = min(await settled(pipe) - len(head), SIZE) - arrived
        if arrived + under_way < SIZE:
            ahead.append(under_way)
        outbox.arrived(under_way)
        arrived += under_way
    await settled(pipe)
    task.cancel()
    assert pipe.written == head + content + b"after it\n"
    return ahead


def test_a_node_that_claims_more_than_it_got_changes_nothing_of_what_is_sent() -> None:
    async def claimed() -> bytes:
        outbox, pipe = Outbox(), Pipe()
        outbox.arrived(2**62)
        outbox.give("a", b"x" * 600 * KIB)
        task = asyncio.create_task(outbox.send(pipe))  # type: ignore[arg-type]  # a StreamWriter's part of it
        await settled(pipe)
        task.cancel()
        return bytes(pipe.written)

    assert asyncio.run(claimed()).endswith(b"\n" + b"x" * 600 * KIB)
