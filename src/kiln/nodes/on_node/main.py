"""Apply a definition on this node: item by item, one result each, until one fails."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import ExitStack, contextmanager

from kiln.nodes.on_node.channel import Channel, LostError
from kiln.nodes.on_node.items import ItemError, make_folder

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item, Outcome

_LOCK = ".lock"


def main(token: str) -> None:
    """Read the definition from standard input and report on standard output, to which nothing else writes."""
    own_output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.umask(0o022)
    source = sys.stdin.buffer
    definition = json.loads(source.readline())
    channel = Channel(source, own_output, token)
    channel.start()
    try:
        apply(definition, channel)
    except LostError:
        # Nobody reads an answer. What is unfinished has no marker, and the next one removes it.
        os._exit(1)
    channel.say(end=True)
    # At once: the thread that reads would hold the interpreter up.
    os._exit(0)


def apply(definition: dict[str, Any], channel: Source) -> None:
    """Apply the items in order, each with its report, until one fails. Raises LostError."""
    check, items = bool(definition["check"]), list(definition["items"])
    with ExitStack() as lock:
        if not check and definition["folder"]:
            lock.enter_context(_alone(str(definition["folder"])))
        _apply_all(items, channel, check=check)


def _apply_all(items: list[Item], channel: Source, *, check: bool) -> None:
    work = [_work(item, channel) for item in items]
    if not check:
        for begin, _ in work:
            begin()
    for number, (_, apply) in enumerate(work):
        if channel.is_lost.is_set():
            raise LostError
        if not _report(number, lambda apply=apply: apply(check=check), channel):  # type: ignore[misc]
            return


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Let one program at a time work on this node. The kernel ends the lock with this process.

    Only root can open the file: no job can hold the lock.
    """
    make_folder(folder)
    handle = os.open(f"{folder}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _nothing() -> None:
    """Begin nothing ahead of its turn."""


def _work(item: Item, channel: Source) -> tuple[Callable[[], None], Callable[..., Outcome]]:
    """Return what an item does ahead of its turn, and at its turn.

    Only the modules of the kinds that a definition has are sent (kiln.nodes.program).
    """
    kind = item["kind"]
    if kind == "packages":
        from kiln.nodes.on_node import packages

        return _nothing, lambda check: packages.apply(item, check=check)
    if kind == "environment":
        from kiln.nodes.on_node.environment import Environment

        environment = Environment(item, channel)
        return environment.begin, environment.apply
    if kind == "release":
        from kiln.nodes.on_node import release

        return _nothing, lambda check: release.apply(item, channel, check=check)
    if kind == "secret_file":
        from kiln.nodes.on_node import secret_file

        return _nothing, lambda check: secret_file.apply(item, channel, check=check)
    if kind == "files":
        from kiln.nodes.on_node import files

        return _nothing, lambda check: files.apply(item, channel, check=check)
    from kiln.nodes.on_node import system_settings

    return _nothing, lambda check: system_settings.apply(item, channel, check=check)


def _report(number: int, apply: Callable[[], Outcome], channel: Source) -> bool:
    """Apply one item and report; return whether it is as it should be."""
    begun = time.monotonic()
    outcome, message = None, ""
    try:
        outcome = apply()
    except ItemError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'the node'}: {error.strerror or error}"
    state = "failed" if outcome is None else "changed" if outcome.changed else "ok"
    diff = outcome.diff if outcome else ""
    seconds = round(time.monotonic() - begun, 3)
    channel.say(item=number, state=state, seconds=seconds, diff=diff, message=message)
    return outcome is not None
