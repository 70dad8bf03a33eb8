"""What RPM repositories have, asked on the control host: an unknown package is found before a launch.

Format: createrepo_c's `repodata/repomd.xml`, and the file of the type `primary` that it names.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from kiln.errors import PreflightError, UsageError
from kiln.settings import names
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_SECONDS = 60
_MOST_BYTES = 256 * 1024 * 1024
_MIRROR_LIST = "mirror.list"
_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_RPM = "{http://linux.duke.edu/metadata/rpm}"
_OPENERS: dict[str, type[gzip.GzipFile | lzma.LZMAFile]] = {".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}


class _Primary(NamedTuple):
    """The list of a repository's packages, by what repomd.xml says of it."""

    address: str
    checksum_type: str
    checksum: str


def check(packages: Sequence[str], repositories: Sequence[str], cache: Path) -> None:
    """Raise UsageError with each package that no repository has.

    `repositories` are addresses of folders with a `repodata`, or of lists of mirrors. Lists of packages are
    kept in the folder `cache` by their checksums. Raises PreflightError when a repository cannot be asked.
    """
    missing, known = set(packages), set[str]()
    for address in repositories:
        try:
            missing -= _found(_list_of(address, cache), missing, known)
        except (OSError, HTTPException, EOFError, ET.ParseError, lzma.LZMAError, ValueError) as error:
            raise PreflightError(
                f"the repository {names.shown(address)} (emr_node_os_repositories) cannot be asked: {error}",
                fix="try again, or correct emr_node_os_repositories",
            ) from error
    found = Problems()
    for number, package in enumerate(packages):
        if package in missing:
            near = names.did_you_mean(package, known)
            problem = f"is {names.shown(package)}: no repository of emr_node_os_repositories has it{near}"
            found.add(
                UsageError(
                    f"emr_node_os_packages[{number}] {problem}", fix="correct it, or add its repository"
                )
            )
    found.raise_any()


def _list_of(address: str, cache: Path) -> Path:
    """Return the file with the list of a repository's packages, fetched unless the cache has it."""
    folder = address
    if address.endswith(_MIRROR_LIST):
        mirrors = [line.strip() for line in _fetched(address).decode().splitlines()]
        folder = next((line for line in mirrors if line and not line.startswith("#")), address)
    primary = _primary(folder.rstrip("/") + "/")
    kept = cache / "rpm" / f"{primary.checksum}{_ending(primary.address)}"
    if not kept.is_file():
        content = _fetched(primary.address)
        if hashlib.new(primary.checksum_type, content).hexdigest() != primary.checksum:
            raise ValueError(f"{primary.address} has another checksum than repomd.xml says")
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as incoming:
            incoming.write(content)
        Path(incoming.name).replace(kept)
    return kept


def _primary(folder: str) -> _Primary:
    document = ET.fromstring(_fetched(urljoin(folder, "repodata/repomd.xml")))  # noqa: S314  # expat limits it
    data = document.find(f"{_REPO}data[@type='primary']")
    location = data.find(f"{_REPO}location") if data is not None else None
    checksum = data.find(f"{_REPO}checksum") if data is not None else None
    if location is None or checksum is None or not (checksum.text or "").isalnum():
        raise ValueError("its repomd.xml names no list of packages")
    address = urljoin(folder, location.get("href", ""))
    return _Primary(address, checksum.get("type", ""), str(checksum.text))


def _ending(address: str) -> str:
    ending = next((one for one in _OPENERS if address.endswith(one)), "")
    if not ending:
        raise ValueError(f"its list of packages is compressed in a way that is not read here: {address}")
    return ending


def _fetched(address: str) -> bytes:
    # The model of the settings and repomd.xml's own place allow http and https only.
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} is no address of http")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310  # see above
            content: bytes = answer.read(_MOST_BYTES + 1)
    except HTTPError as error:
        error.close()  # it is the answer, too
        raise
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{address} has more than {_MOST_BYTES} bytes")
    return content


def _found(file: Path, wanted: Collection[str], known: set[str]) -> set[str]:
    """Return which of `wanted` the list has, and add the names of its packages to `known`."""
    found = set[str]()
    with _OPENERS[file.suffix](file) as opened:
        for _, element in ET.iterparse(opened):  # noqa: S314  # expat limits it
            if element.tag == f"{_COMMON}package":
                forms = _forms(element)
                known.add(forms[0])
                found.update(one for one in forms if one in wanted)
                element.clear()
    return found


def _forms(package: ET.Element) -> list[str]:
    """Return all that a package can be asked for by (dnf(8), "SPECIFYING PACKAGES"), its name first."""
    name, architecture = (package.findtext(f"{_COMMON}{one}", "") for one in ("name", "arch"))
    version = package.find(f"{_COMMON}version")
    given = version.attrib if version is not None else {}
    forms = [name, f"{name}.{architecture}"]
    for epoch in ("", f"{given.get('epoch', '0')}:"):
        numbered = f"{name}-{epoch}{given.get('ver', '')}"
        released = f"{numbered}-{given.get('rel', '')}"
        forms += [numbered, released, f"{released}.{architecture}"]
    provided = package.iterfind(f"{_COMMON}format/{_RPM}provides/{_RPM}entry")
    return [*forms, *(one.get("name", "") for one in provided)]
