"""OS packages that no repository has are named before a launch."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kiln.errors import KilnError, PreflightError, UsageError
from kiln.nodes import os_repositories
from kiln.settings.problems import AllProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRIMARY = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
<package type="rpm">
 <name>postgresql15</name><arch>x86_64</arch><version epoch="0" ver="15.8" rel="1.amzn2023"/>
 <format>
  <rpm:provides><rpm:entry name="postgresql" flags="EQ"/><rpm:entry name="pg(x86-64)"/></rpm:provides>
 </format>
</package>
<package type="rpm">
 <name>jq</name><arch>x86_64</arch><version epoch="1" ver="1.7" rel="2"/><format/>
</package>
</metadata>
"""
REPOMD = """<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
 <data type="filelists">
  <checksum type="sha256">0</checksum><location href="repodata/filelists.xml.gz"/>
 </data>
 <data type="primary">
  <checksum type="sha256">{checksum}</checksum><location href="repodata/{name}"/>
 </data>
</repomd>
"""


class Repository:
    """A repository in a folder that a web server shows. `asked` are the paths that it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[str]()
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server.server_port}/core/x86_64/"
        self.write("primary.xml.gz", gzip.compress)

    def write(self, name: str, compress: Callable[[bytes], bytes], primary: str = PRIMARY) -> None:
        content = compress(primary.encode())
        repodata = self.folder / "core/x86_64/repodata"
        repodata.mkdir(parents=True, exist_ok=True)
        (repodata / name).write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        (repodata / "repomd.xml").write_text(REPOMD.format(checksum=checksum, name=name))


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    made = Repository(tmp_path / "site")
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize(
    "package",
    [
        "jq",
        "jq.x86_64",
        "jq-1.7",
        "jq-1:1.7-2.x86_64",
        "postgresql15-15.8-1.amzn2023",
        "postgresql",
        "pg(x86-64)",
    ],
)
def test_a_package_is_known_by_all_that_dnf_takes(
    repository: Repository, tmp_path: Path, package: str
) -> None:
    os_repositories.check([package], [repository.address], tmp_path / "cache")


def test_each_package_that_no_repository_has_is_named(repository: Repository, tmp_path: Path) -> None:
    packages = ["jq", "postgresql16", "jqq", "jq-1.8"]
    with pytest.raises(AllProblemsError) as error:
        os_repositories.check(packages, [repository.address], tmp_path / "cache")
    first, second, third = error.value.found
    assert first.message == (
        "emr_node_os_packages[1] is postgresql16: no repository of emr_node_os_repositories has it "
        "(did you mean postgresql15?)"
    )
    assert first.fix == "correct it, or add its repository"
    assert second.message.startswith("emr_node_os_packages[2] is jqq: ")
    assert third.message.startswith("emr_node_os_packages[3] is jq-1.8: ")


def test_the_list_of_packages_is_fetched_once_and_again_when_it_changes(
    repository: Repository, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        os_repositories.check(["jq"], [repository.address], cache)
    lists = [path for path in repository.asked if "primary" in path]
    assert len(lists) == 1
    repository.write("primary.xml.xz", lzma.compress, PRIMARY.replace(">jq<", ">yq<"))
    os_repositories.check(["yq"], [repository.address], cache)
    with pytest.raises(UsageError, match="is jq: no repository"):
        os_repositories.check(["jq"], [repository.address], cache)


def test_a_list_of_mirrors_leads_to_the_first(repository: Repository, tmp_path: Path) -> None:
    mirrors = f"# mirrors\n{repository.address}\nhttp://127.0.0.1:9/\n"
    (repository.folder / "mirror.list").write_text(mirrors)
    place = repository.address.replace("core/x86_64/", "mirror.list")
    os_repositories.check(["jq"], [place], tmp_path / "cache")


def broken(repository: Repository) -> dict[str, Callable[[], object]]:
    repodata = repository.folder / "core/x86_64/repodata"
    repomd = repodata / "repomd.xml"
    return {
        "HTTP Error 404": repomd.unlink,
        "another checksum": lambda: (repodata / "primary.xml.gz").write_bytes(b"x"),
        "unclosed token": lambda: repomd.write_text("<repomd"),
        "names no list": lambda: repomd.write_text("<repomd/>"),
        "not read here": lambda: repository.write("primary.xml.zst", gzip.compress),
        "Not a gzipped file": lambda: repository.write("primary.xml.gz", lzma.compress),
        "no address of http": lambda: repomd.write_text(
            repomd.read_text().replace("repodata/primary", "file:///etc/primary")
        ),
    }


@pytest.mark.parametrize(
    "words",
    [
        "HTTP Error 404",
        "another checksum",
        "unclosed token",
        "names no list",
        "not read here",
        "Not a gzipped file",
        "no address of http",
    ],
)
def test_a_repository_that_cannot_be_asked_is_no_fault_of_the_packages(
    repository: Repository, tmp_path: Path, words: str
) -> None:
    broken(repository)[words]()
    with pytest.raises(KilnError, match=words) as error:
        os_repositories.check(["jq"], [repository.address], tmp_path / "cache")
    assert isinstance(error.value, PreflightError)
    assert "(emr_node_os_repositories) cannot be asked" in error.value.message
