"""HDFS by its HTTP interface (WebHDFS), without a JVM for each command."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, TYPE_CHECKING, Any

from emrbox.emr.default_configurations import NAMENODE_HTTP_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HTTP_TIMEOUT_SECONDS = 10.0
MOST_ANSWER_BYTES = 16_000_000  # a step may answer in a daemon's place
SUPERUSER = "hdfs"


class WebHdfs:
    """One cluster's HDFS, as its superuser. `address_of` returns a node's address by its DNS name.

    Errors are OSError.
    """

    def __init__(self, master: str, address_of: Callable[[str], str]) -> None:
        self._root = f"http://{master}:{NAMENODE_HTTP_PORT}/webhdfs/v1"
        self._address_of = address_of

    def make_folder(self, path: str, owner: str, group: str, mode: str) -> None:
        """Make a folder of this owner and mode (octal, as text)."""
        self._put(path, op="MKDIRS", permission=mode)
        self._put(path, op="SETOWNER", owner=owner, group=group)
        self._put(path, op="SETPERMISSION", permission=mode)  # the umask has no say

    def files(self, folder: str) -> Iterator[tuple[str, int, float]]:
        """Yield path, size in bytes and time in seconds of the files below a folder; none without it."""
        try:
            with self._open("GET", self._url(folder, op="LISTSTATUS")) as answer:
                found = json.loads(answer.read(MOST_ANSWER_BYTES))["FileStatuses"]["FileStatus"]
        except FileNotFoundError:
            return
        for one in found:
            path = f"{folder}/{one['pathSuffix']}"
            if one["type"] == "DIRECTORY":
                yield from self.files(path)
            else:
                yield path, int(one["length"]), one["modificationTime"] / 1000

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading from its beginning."""
        with self._open("GET", self._url(path, op="OPEN", noredirect="true")) as answer:
            where = urllib.parse.urlsplit(json.loads(answer.read(MOST_ANSWER_BYTES))["Location"])
        address = self._address_of(where.hostname or "")
        file: IO[bytes] = self._open("GET", where._replace(netloc=f"{address}:{where.port}").geturl())
        return file

    def _url(self, path: str, **query: str) -> str:
        words = urllib.parse.urlencode({"user.name": SUPERUSER, **query})
        return f"{self._root}{urllib.parse.quote(path)}?{words}"

    def _put(self, path: str, **query: str) -> None:
        with self._open("PUT", self._url(path, **query)):
            pass

    def _open(self, method: str, url: str) -> Any:
        request = urllib.request.Request(url, method=method)  # noqa: S310  # an address of this box
        try:
            return urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_SECONDS)  # noqa: S310  # as above
        except urllib.error.HTTPError as problem:
            with contextlib.closing(problem):
                if problem.code == 404:  # noqa: PLR2004  # HTTP's Not Found
                    raise FileNotFoundError(url) from None
                raise OSError(f"{url}: {problem}") from None
