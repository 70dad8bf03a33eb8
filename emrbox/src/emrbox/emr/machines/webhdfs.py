"""HDFS by its HTTP interface (WebHDFS), without a JVM for each command."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from emrbox.emr.default_configurations import DATANODE_HTTP_PORT, NAMENODE_HTTP_PORT
from emrbox.emr.machines.daemon_http import open_url, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUPERUSER = "hdfs"


@dataclass(frozen=True)
class Entry:
    """A file or a folder in a folder of HDFS. The size is in bytes, the time in seconds."""

    name: str
    is_folder: bool
    size: int
    changed: float


class WebHdfs:
    """One cluster's HDFS, as its superuser. Files are read from the cluster's own DataNodes only.

    `address_of` returns a node's address by its DNS name, and raises KeyError for what is no node of the
    cluster. Errors of all methods are OSError.
    """

    def __init__(self, master: str, address_of: Callable[[str], str]) -> None:
        self._root = f"http://{master}:{NAMENODE_HTTP_PORT}/webhdfs/v1"
        self._address_of = address_of

    def make_folder(self, path: str, owner: str, group: str, mode: str) -> None:
        """Make a folder of this owner and mode (octal, as text)."""
        self._put(path, op="MKDIRS", permission=mode)
        self._put(path, op="SETOWNER", owner=owner, group=group)
        self._put(path, op="SETPERMISSION", permission=mode)  # the umask has no say

    def entries(self, folder: str) -> list[Entry]:
        """Return what is in a folder. FileNotFoundError without it."""
        answer = read_json(self._url(folder, op="LISTSTATUS"))
        try:
            return [_entry(status) for status in answer["FileStatuses"]["FileStatus"]]
        except (LookupError, TypeError, ValueError, OverflowError) as problem:
            raise OSError(f"{folder}: not a listing of WebHDFS: {problem!r}") from None

    def files(self, folder: str, depth: int = 1) -> Iterator[tuple[str, Entry]]:
        """Yield the files of a folder, and of folders in it down to a depth, with their paths.

        A folder that is not there has none.
        """
        try:
            found = self.entries(folder)
        except FileNotFoundError:
            return
        for entry in found:
            path = f"{folder}/{entry.name}"
            if not entry.is_folder:
                yield path, entry
            elif depth:
                yield from self.files(path, depth - 1)

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading from its beginning, at the DataNode that the NameNode names."""
        answer = read_json(self._url(path, op="OPEN", noredirect="true"))
        try:
            where = urllib.parse.urlsplit(str(answer["Location"]))
            address, port = self._address_of(where.hostname or ""), where.port
        except (LookupError, TypeError, ValueError):
            raise OSError(f"{path}: not at a node of the cluster: {str(answer)[:200]}") from None
        if port != DATANODE_HTTP_PORT:
            raise OSError(f"{path}: not at the port of a DataNode: {where.netloc[:100]}")
        return open_url(f"http://{address}:{DATANODE_HTTP_PORT}{where.path}?{where.query}")

    def _url(self, path: str, **query: str) -> str:
        words = urllib.parse.urlencode({"user.name": SUPERUSER, **query})
        return f"{self._root}{urllib.parse.quote(path, errors='replace')}?{words}"

    def _put(self, path: str, **query: str) -> None:
        open_url(self._url(path, **query), "PUT").close()


def _entry(status: dict[str, Any]) -> Entry:
    return Entry(
        str(status["pathSuffix"]),
        status["type"] == "DIRECTORY",
        int(status["length"]),
        int(status["modificationTime"]) / 1000,
    )
