"""The Python environment: fetched from S3 by its SHA-256, or built on this node for all of them.

Nodes may write archives in S3, and cannot write what the control host knows about them: root unpacks only
what has the SHA-256 that the control host got from the node that built it.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from kiln.nodes.on_node import s3, unpacked
from kiln.nodes.on_node.items import (
    OK,
    ItemError,
    Outcome,
    digest_of,
    fed,
    make_folder,
    run,
    save,
)

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from typing import Any

    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item

# Written last: an environment without it is unfinished.
MARKER = ".kiln-complete"
_ANSWER = "environment"
_WHEELS = "wheels"
# What a pipe holds. By default tar reads and writes 10 KB at a time, and takes a fifth longer.
_BY_64_KB = ("-b", "128")


class Environment:
    """One environment. `begin` asks for it, and fetches it while other items are applied."""

    def __init__(self, item: Item, channel: Source) -> None:
        self._item, self._channel = item, channel
        self._path = Path(item["path"])
        self._thread: threading.Thread | None = None
        self._stack = ExitStack()
        self._folder = self._path.parent
        self._answer: dict[str, Any] = {}
        self._error: Exception | None = None

    def _is_there(self) -> bool:
        return (self._path / MARKER).is_file()

    def begin(self) -> None:
        """Ask the control host where it is, unless it is here, and begin to fetch it."""
        if self._is_there():
            return
        try:
            above = str(self._path.parent)
            make_folder(above)
            unpacked.remove_leftovers(above)
            self._folder = Path(self._stack.enter_context(unpacked.beside(above)))
        except OSError as error:
            self._error = error
            return
        self._channel.say(ask=_ANSWER)
        self._thread = threading.Thread(target=self._prefetch, daemon=True)
        self._thread.start()

    def apply(self, *, check: bool) -> Outcome:
        """Put it there. Raises ItemError, OSError, LostError."""
        if self._is_there():
            return OK
        changed = Outcome(changed=True, diff=f"+ {self._path}\n")
        if check:
            return changed
        with self._stack:
            if self._thread is not None:
                self._thread.join()
            if self._error is not None:
                raise self._error
            if "failed" in self._answer:
                raise ItemError(str(self._answer["failed"]))
            self._build() if self._answer.get("build") else self._unpack()
        return changed

    def _prefetch(self) -> None:
        try:
            self._answer = self._channel.answer(_ANSWER)
            if self._answer.get("build"):
                (self._folder / _WHEELS).mkdir()
                unpack = ["tar", "-x", "--no-same-owner", "-C", str(self._folder / _WHEELS), "-f", "-"]
                with fed(unpack) as sink:
                    self._channel.fetch("wheels", sink)
            elif "failed" not in self._answer:
                self._download()
        except Exception as error:  # noqa: BLE001  # raised again in `apply`, which waits for this thread
            self._error = error

    def _download(self) -> None:
        archive, fetched = str(self._answer["archive"]), self._folder / "archive"
        s3.get(archive, str(fetched))
        # Every node may write there: nothing of another archive is unpacked.
        if digest_of(fetched) != self._answer["sha256"]:
            raise ItemError(
                f"{archive} is not the archive that was built: its SHA-256 differs. Find out who has "
                f"written it; an administrator of the account removes it (aws s3 rm {archive}); then "
                "provision again"
            )

    def _unpack(self) -> None:
        # By this program's umask only the owner may write there, whatever the archive says.
        unpack = ["tar", "--zstd", *_BY_64_KB, "-x", "--no-same-permissions", "-C", str(self._folder)]
        run([*unpack, "-f", str(self._folder / "archive")])
        filled = self._folder / self._path.name
        if not (filled / MARKER).is_file():
            raise ItemError(f"{self._answer['archive']} holds no finished environment {self._path.name}")
        save(self._folder)
        unpacked.put(str(filled), str(self._path), str(self._folder))

    def _build(self) -> None:
        """Build it in its place: a virtual environment has its own path in its files."""
        import shutil  # most runs change nothing

        if self._path.is_symlink() or self._path.is_file():
            self._path.unlink()
        shutil.rmtree(self._path, ignore_errors=True)
        python = f"python{self._item['python_version']}"
        run([python, "-m", "venv", "--without-pip", str(self._path)])
        _install(self._path / "bin/python", self._folder / _WHEELS, self._folder)
        _compile(self._path)
        _protect(self._path)
        save(self._path)
        (self._path / MARKER).touch()
        self._channel.say(built=self._upload())

    def _upload(self) -> str:
        """Pack it, a file first: what is cut off by a full disk never gets to S3. Return the SHA-256."""
        packed = self._folder / "packed"
        pack = [
            "tar",
            *_BY_64_KB,
            "-I",
            "zstd -q -3 -T0",
            "-c",
            "-C",
            str(self._path.parent),
            "-f",
            str(packed),
        ]
        run([*pack, self._path.name])
        digest = digest_of(packed)
        target = f"{self._item['archives']}-{digest}.tar.zst"
        s3.put(str(packed), target)
        return digest


def _install(python: Path, wheels: Path, folder: Path) -> None:
    """Install the wheels; the lock file's hashes decide which. Raises ItemError.

    In an empty folder: a requirement may be taken for a file of the current folder when one has its name.
    """
    empty = folder / "empty"
    empty.mkdir()
    uv = [str(wheels / "uv"), "pip"]
    # Beside the environment, so that each file is written once and linked.
    cache = ["--cache-dir", str(folder / "cache"), "--link-mode=hardlink"]
    options = ["--no-config", "--offline", *cache, "--python", str(python)]
    install = ["--no-index", "--find-links", str(wheels), "--require-hashes", "--no-deps"]
    only_wheels = ["--only-binary", ":all:", "-r", str(wheels / "requirements.txt")]
    run([*uv, "install", "-q", *options, *install, *only_wheels], shown="uv pip install", cwd=empty)
    # Report a lock file that lacks a package here, before a step fails.
    run([*uv, "check", "-q", "--python", str(python)], shown="uv pip check", cwd=empty)


def _protect(path: Path) -> None:
    """Let only the owner write there: uv makes a lock file for all, and wheels may hold such files."""
    run(["chmod", "-R", "go-w", str(path)])


def _compile(path: Path) -> None:
    """Compile what jobs import: they run as another user that cannot write there, so each would compile it.

    Tests are never imported by a job, and some do not compile on purpose.
    """
    compiled = ["-m", "compileall", "-q", "-j", "0", "-x", "/tests?/", str(path / "lib")]
    run([str(path / "bin/python"), *compiled], shown="compileall")
