"""The host's own package sources: which of them are Debian's, and lists of packages with reasons."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.images.command import run

if TYPE_CHECKING:
    from collections.abc import Iterator

CODENAME = "bookworm"
_SUITES = {CODENAME, f"{CODENAME}-updates", f"{CODENAME}-security"}
_APT = Path("/etc/apt")


def packages(listing: Path) -> list[str]:
    """Return the names in a file of lines "name  reason"; "#" starts a comment line."""
    lines = (line.split() for line in listing.read_text().splitlines())
    return [words[0] for words in lines if words and not words[0].startswith("#")]


def _one_line_entries(text: str) -> list[str]:
    """Keep the entries of a .list file that are Debian's."""
    kept = []
    for line in text.splitlines():
        words = line.split("]", 1)[-1].split() if "[" in line else line.split()[1:]
        if line.startswith("deb ") and len(words) > 1 and words[1] in _SUITES:
            kept.append(line)
    return kept


def _stanzas(text: str) -> list[str]:
    """Keep the stanzas of a .sources file that are Debian's."""
    kept = []
    for stanza in text.split("\n\n"):
        fields = dict(line.split(":", 1) for line in stanza.splitlines() if ":" in line and line[0].isalpha())
        if set(fields.get("Suites", "").split()) & _SUITES and "deb" in fields.get("Types", "").split():
            kept.append(stanza.strip())
    return kept


@contextmanager
def host_sources() -> Iterator[list[Path]]:
    """Give files with the host's Debian sources, third parties left out, as mmdebstrap takes them."""
    lists = [_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*.list"))]
    entries = [entry for file in lists if file.is_file() for entry in _one_line_entries(file.read_text())]
    sources = sorted((_APT / "sources.list.d").glob("*.sources"))
    stanzas = [stanza for file in sources for stanza in _stanzas(file.read_text())]
    with tempfile.TemporaryDirectory(prefix="emrbox-sources-") as folder:
        files = []
        for name, pieces, glue in (("host.list", entries, "\n"), ("host.sources", stanzas, "\n\n")):
            if pieces:
                file = Path(folder) / name
                file.write_text(glue.join(pieces) + "\n")
                files.append(file)
        yield files


def host_apt_options() -> list[str]:
    """Return the host's proxy and TLS settings for apt: an image is fetched the way the host fetches."""
    dump = run(["apt-config", "dump", "Acquire"])
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::Check-Valid-Until", "Acquire::Retries")
    return [line.rstrip(";") for line in dump.splitlines() if line.startswith(wanted)]
