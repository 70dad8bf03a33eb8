"""What is in an image, as data, and its fingerprint: images with one fingerprint have the same in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Raise it when images have to be baked anew though nothing else here has changed.
VERSION = 1
_LENGTH = 16


def fingerprint(definition: Mapping[str, Any], root: Path, sources: Iterable[str]) -> str:
    """Return 16 hex digits over a definition and the files below `sources`, which are paths from `root` on.

    The order of keys and of lists of names does not matter, and documentation (.md) does not count. Raises
    UsageError for a source that is not there or leads out of `root`, and for a definition that is no data.
    """
    try:
        plain = {key: _in_order(value) for key, value in definition.items()}
        # The order of msgspec is defined for all JSON; json.dumps cannot sort keys of several types.
        text = msgspec.json.encode([VERSION, plain], order="deterministic")
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the definition of the image holds what is no data: {error}",
            fix="give names and numbers, and lists of names",
        ) from error
    digest = hashlib.sha256(text)
    for source in sorted(set(sources)):
        for name, content in _files(root, source):
            digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:_LENGTH]


def _in_order(value: Any) -> Any:
    is_names = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return sorted(value) if is_names else value


def _files(root: Path, source: str) -> list[tuple[str, bytes]]:
    """Return name from `root` on and content of a file, or of all files below a folder, by name."""
    top = root / source
    if Path(source).is_absolute() or ".." in Path(source).parts or not top.exists():
        raise UsageError(
            f"there is no {names.shown(source)} in the checkout",
            fix="correct node_image_sources: files or folders from the top of the checkout on",
        )
    found = [one for one in top.rglob("*") if one.is_file()]
    # Documentation changes nothing on a node; a file that is named is put there.
    kept = [one for one in found if "__pycache__" not in one.parts and one.suffix != ".md"]
    kept += [top] if top.is_file() else []
    return sorted((str(one.relative_to(root)), one.read_bytes()) for one in kept)
