"""Settings of the kernel, now and at each boot, and limits of users at each login."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kiln.nodes.on_node import files
from kiln.nodes.on_node.items import ItemError, Outcome

if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Set what differs, then write the files: what the kernel refuses is in none.

    Raises ItemError, LostError.
    """
    diff = "".join(
        _set(Path(item["folder"]), name, text, check=check) for name, text in item["kernel"].items()
    )
    written = files.apply(item, channel, check=check)
    return Outcome(changed=bool(diff) or written.changed, diff=diff + written.diff)


def _set(folder: Path, name: str, text: str, *, check: bool) -> str:
    """Give the kernel one value; return the difference, nothing where there is none."""
    place = folder.joinpath(*name.split("."))
    try:
        before = _value(place)
        if before == text:
            return ""
        if not check:
            place.write_text(f"{text}\n")
            if (now := _value(place)) != text:
                raise ItemError(f"{name} = {text}: the kernel has {now or 'nothing'} after that")
    except FileNotFoundError as error:
        raise ItemError(f"{name} = {text}: the node's kernel has no such setting") from error
    except OSError as error:
        raise ItemError(f"{name} = {text}: the kernel refuses it: {error.strerror}") from error
    return f"- {name} = {before}\n+ {name} = {text}\n"


def _value(place: Path) -> str:
    """Return a value with single spaces: the kernel writes tabs between numbers."""
    return " ".join(place.read_text().split())
