"""A content-addressed cache: an image is built in a temporary folder, then renamed, and never changed."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emrbox.paths import cache_home

Report = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How to build one image. `inputs` is a hash of everything that the result depends on.

    `proof` is a file in it: if it is missing, a cleaner of ~/.cache has emptied the folder.
    """

    kind: str
    reason: str
    inputs: str
    build: Callable[[Path], None]
    proof: str = "."

    @property
    def path(self) -> Path:
        """The path of the finished image."""
        return cache_home() / f"{self.kind}-{self.inputs[:16]}"

    @property
    def is_built(self) -> bool:
        """Whether it is there and complete."""
        return (self.path / self.proof).exists()


def digest(*parts: Path | str) -> str:
    """Hash texts, files and folders: names, execute bits and contents, in a fixed order."""
    total = hashlib.sha256()
    for name, mode, content in _pieces(parts):
        total.update(f"{name}\0{mode}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _pieces(parts: Iterable[Path | str]) -> Iterator[tuple[str, int, bytes]]:
    for part in parts:
        if isinstance(part, str):
            yield "", 0, part.encode()
        elif part.is_dir():
            for file in sorted(part.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield str(file.relative_to(part)), file.stat().st_mode & 0o100, file.read_bytes()
        elif part.suffix == ".py":
            # What the program says, not how it is laid out: formatting must not rebuild an image.
            yield part.name, 0, ast.dump(ast.parse(part.read_text())).encode()
        else:
            yield part.name, part.stat().st_mode & 0o100, part.read_bytes()


def ensure(recipe: Recipe, report: Report) -> Path:
    """Return the image's folder; build it first if it is not there."""
    if recipe.is_built:
        return recipe.path
    cache_home().mkdir(parents=True, exist_ok=True)
    with _only_builder_of(recipe.kind):
        if recipe.is_built:
            return recipe.path
        _remove_leftovers(recipe)
        report(f"{recipe.kind}: {recipe.reason}")
        started = time.monotonic()
        aside = Path(tempfile.mkdtemp(prefix=f".building-{recipe.kind}-", dir=cache_home()))
        try:
            aside.chmod(0o755)
            recipe.build(aside)
            aside.rename(recipe.path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        report(f"{recipe.kind}: done in {time.monotonic() - started:.0f} s, {recipe.path}")
    return recipe.path


@contextmanager
def _only_builder_of(kind: str) -> Iterator[None]:
    with (cache_home() / f".lock-{kind}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_leftovers(recipe: Recipe) -> None:
    """Remove what a killed build or a cleaner left; the lock ensures that no build runs now."""
    for folder in (recipe.path, *cache_home().glob(f".building-{recipe.kind}-*")):
        shutil.rmtree(folder, ignore_errors=True)


def hold(folders: Iterable[Path]) -> None:
    """Keep `prune` from removing these until this process ends: running nodes use them."""
    for folder in folders:
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)


def prune(wanted: Iterable[Recipe], report: Report) -> None:
    """Remove the images of these kinds that none of the recipes makes; images that a box uses stay."""
    recipes = list(wanted)
    keep = {recipe.path.name for recipe in recipes}
    for folder in sorted(cache_home().glob("*")):
        kind, _, inputs = folder.name.rpartition("-")
        old = folder.name not in keep and re.fullmatch(r"[0-9a-f]{16}", inputs)
        if old and any(kind == recipe.kind for recipe in recipes):
            _remove(folder, report)
    for aside in cache_home().glob(".removing-*"):  # of a command that was killed
        shutil.rmtree(aside, ignore_errors=True)


def _remove(folder: Path, report: Report) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report(f"{folder.name}: stays, a running box uses it")
        return
    finally:
        os.close(descriptor)
    megabytes = _bytes(folder) / 1e6
    # In one step: half an image must not be taken for a whole one.
    aside = folder.with_name(f".removing-{folder.name}")
    folder.rename(aside)
    shutil.rmtree(aside)
    report(f"{folder.name}: removed, {megabytes:.0f} MB")


def _bytes(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(Path(path, name)).st_blocks * 512
    return total
