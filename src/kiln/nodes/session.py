"""One node: one process of ssh, the program and the definition sent through it, its answers read."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import msgspec

from kiln.host_keys import known_hosts
from kiln.nodes import program, results
from kiln.nodes.environment_source import ENVIRONMENT
from kiln.nodes.outbox import Outbox
from kiln.nodes.results import ItemResult, NodeResult
from kiln.nodes.work import MOST_LINE_BYTES, Line, SilentError, WrongAnswerError, line_of

if TYPE_CHECKING:
    from kiln.nodes.connections import Connection
    from kiln.nodes.environment_source import EnvironmentSource
    from kiln.nodes.work import Work

_MOST_SAID_BYTES = 4096
_GRACE_SECONDS = 2.0
# ssh(1): 255 is an error of ssh itself, any other code the command's.
_SSH_FAILED = 255
# What waiting does not correct.
_REFUSED = ("permission denied", "host key verification failed", "identification has changed", "bad owner or")


class _Slot:
    """A place among the nodes that are being connected to; it is free as soon as a node has answered."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places, self._is_taken = places, False

    async def __aenter__(self) -> Self:
        self._is_taken = await self._places.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        """Let another node be connected to."""
        if self._is_taken:
            self._is_taken = False
            self._places.release()


class Session:
    """The work on one node, from the connection to its last answer."""

    def __init__(self, connection: Connection, work: Work, connecting: asyncio.Semaphore) -> None:
        self._connection, self._work, self._connecting = connection, work, connecting
        self._name = connection.name
        self._items: list[ItemResult] = []
        self._outbox = Outbox()
        self._tasks: set[asyncio.Task[None]] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._has_begun = self._has_ended = False
        # What has gone wrong on the control host.
        self._fault = ""
        self._said = b""

    async def run(self) -> NodeResult:
        """Return the node's result, whatever happens to it."""
        limits = self._work.limits
        problem, code = "", 0
        try:
            async with asyncio.timeout(limits.seconds):
                code = await self._connected()
        except TimeoutError:
            problem = f"stopped: it has taken longer than {limits.seconds:.0f} s{self._at()}"
        except SilentError:
            problem = f"stopped: no sign of life for {limits.silence_seconds:.0f} s{self._at()}"
        except WrongAnswerError as error:
            problem = f"its answer cannot be read: {error}"
        result = self._result(code, self._fault or problem)
        if self._work.environment:
            # Of a node that has failed at something else, or was lost, nothing follows for the environment.
            is_own = any(item.item == ENVIRONMENT and item.state == "failed" for item in result.items)
            await self._work.environment.ended(self._name, result.problem, lost=not is_own)
        return result

    async def _connected(self) -> int:
        """Connect again until the node lets ssh in: sshd of a new node may be late. Return the exit code."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._work.limits.connect_seconds
        while True:
            async with _Slot(self._connecting) as slot:
                code = await self._attempt(slot)
            said = self._words().lower()
            is_final = self._has_begun or code != _SSH_FAILED or any(words in said for words in _REFUSED)
            if is_final or loop.time() >= ends_at:
                return code
            await asyncio.sleep(self._work.limits.retry_seconds)

    async def _attempt(self, slot: _Slot) -> int:
        token = secrets.token_hex(8)
        self._outbox = Outbox()
        self._outbox.put(program.source(self._work.definition))
        self._outbox.put(msgspec.json.encode(self._work.definition) + b"\n")
        process = await asyncio.create_subprocess_exec(
            *self._connection.command(self._work.definition, token),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MOST_LINE_BYTES,
        )
        assert process.stdin is not None  # noqa: S101  # PIPE
        self._process = process
        self._start(self._outbox.send(process.stdin))
        reading = asyncio.create_task(self._read_errors(process))
        try:
            await self._read(process, token, slot)
            if self._has_ended:
                return 0
            code = await process.wait()
            # A connection that ssh shares (ControlPersist) may keep it open.
            await asyncio.wait({reading}, timeout=_GRACE_SECONDS)
        finally:
            reading.cancel()
            await self._end(process)
        return code

    def _start(self, work: Any) -> None:
        """Do something beside. When it fails the node would wait for ever: its connection ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or not (error := task.exception()):
            return
        self._fault = f"the control host has not sent what it asked for{self._at()}: {error}"
        if self._process:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _read(self, process: asyncio.subprocess.Process, token: str, slot: _Slot) -> None:
        assert process.stdout is not None  # noqa: S101  # PIPE
        prefix = f"{token} ".encode()
        while not self._has_ended:
            try:
                async with asyncio.timeout(self._work.limits.silence_seconds):
                    line = await process.stdout.readline()
            except TimeoutError:
                raise SilentError from None
            except ValueError as error:
                raise WrongAnswerError("a line is too long") from error
            if not line:
                return
            if line.startswith(prefix):
                self._has_begun = True
                slot.free()
                await self._handle(line_of(line[len(prefix) :]))

    async def _handle(self, line: Line) -> None:
        source = self._work.environment
        if line.item is not None and line.item == len(self._items) < len(self._work.labels):
            self._items.append(
                ItemResult(
                    item=self._work.labels[line.item],
                    state=line.state,
                    seconds=line.seconds,
                    message=results.shown(line.message),
                    diff=results.shown_lines(line.diff),
                )
            )
            self._work.on_item(self._name, self._items[-1])
        elif line.got:
            self._outbox.arrived(line.got)
        elif line.need:
            self._give(line.need)
        elif line.ask and source:
            self._start(self._answer(line.ask, source))
        elif line.built and source:
            await source.built(self._name, line.built)
        self._has_ended = line.end

    def _give(self, name: str) -> None:
        """Send the content with this name. Of other names nothing is sent: the definition has named all."""
        blob = self._work.blobs.get(name)
        if name == "wheels" and self._work.environment:
            blob = self._work.environment.wheels
        if blob is None:
            raise WrongAnswerError("it asks for something that is not its own")
        self._outbox.give(name, blob)

    async def _answer(self, name: str, source: EnvironmentSource) -> None:
        answer = await source.answer(self._name)
        self._outbox.put(msgspec.json.encode({"name": name} | answer) + b"\n")

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101  # PIPE
        self._said = b""
        while chunk := await process.stderr.read(_MOST_SAID_BYTES):
            self._said = (self._said + chunk)[-_MOST_SAID_BYTES:]

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._has_ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()

    def _words(self) -> str:
        """Return what ssh or the node said on standard error, for one line."""
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        return results.shown("; ".join(lines[-2:]))

    def _unanswered(self) -> str:
        """Return what to look at when nothing has answered: a security group drops, and refuses nothing."""
        if self._has_begun or "timed out" not in self._words().lower():
            return ""
        return f"{self._words()}: do the node's security groups let this machine reach port 22?"

    def _at(self) -> str:
        done = len(self._items)
        return f", at {self._work.labels[done]}" if self._has_begun and done < len(self._work.labels) else ""

    def _result(self, code: int, problem: str) -> NodeResult:
        has_failed = any(item.state == "failed" for item in self._items)
        unreachable = not problem and not self._has_begun and code == _SSH_FAILED
        if not problem and not self._has_ended and not has_failed:
            refused = known_hosts.problem(self._words(), self._connection.options)
            problem = refused or self._unanswered() or self._words() or f"exit code {code}"
            problem = f"the connection was lost{self._at()}: {problem}" if self._has_begun else problem
        if not problem and not has_failed and len(self._items) < len(self._work.labels):
            problem = "it ended before all items were applied"
        return NodeResult(node=self._name, items=tuple(self._items), unreachable=unreachable, message=problem)
