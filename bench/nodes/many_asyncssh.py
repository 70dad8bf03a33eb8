"""Run one command on every node with asyncssh: the yardstick of the fan-out to many nodes."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import asyncssh


async def one(address: str, given: dict[str, Any]) -> None:
    """Run the command on one node."""
    connection = asyncssh.connect(
        address,
        username=given["bench_user"],
        client_keys=[given["bench_key"]],
        known_hosts=given["bench_known_hosts"],
        kex_algs=["curve25519-sha256"],
        agent_path=None,
        config=None,
    )
    async with connection as session:
        await session.run("true", check=True)


async def all_of(addresses: list[str], given: dict[str, Any]) -> None:
    """Run it on all of them at once."""
    await asyncio.gather(*(one(address, given) for address in addresses))


asyncio.run(
    all_of(
        Path(os.environ["BENCH_NODES"]).read_text().split(),
        json.loads(Path(os.environ["BENCH_VARIABLES"]).read_text()),
    )
)
