#!/usr/bin/python3
"""s3-dist-cp on a node: S3DistCp's copying, done by Hadoop's DistCp.

Contents of --src come to --dest, and replace files of the same names there; --srcPattern chooses files by a
regular expression for their whole address; --deleteOnSuccess removes what was copied. Any failure is exit
code 1, and what was copied by then stays (docs/aws_facts.md 3.1). What DistCp cannot do is refused by name.

The file uses the standard library only: it is copied to nodes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple
from urllib.parse import urlsplit

HADOOP = "/usr/bin/hadoop"
# Options of S3DistCp that change what is copied, or how it is stored, in ways that DistCp has not.
REFUSED = (
    "--appendToLastFile",
    "--copyFromManifest",
    "--disableMultipartUpload",
    "--encryptionKey",
    "--filesPerMapper",
    "--groupBy",
    "--multipartUploadChunkSize",
    "--numberFiles",
    "--outputCodec",
    "--outputManifest",
    "--previousManifest",
    "--requirePreviousManifest",
    "--s3Endpoint",
    "--s3ServerSideEncryption",
    "--srcPrefixesFile",
    "--startingIndex",
    "--storageClass",
    "--targetSize",
)
# A line of `hadoop fs -ls -R` has seven columns before the address.
COLUMNS = 7


class Wanted(NamedTuple):
    """What the arguments ask for."""

    source: str
    target: str
    pattern: re.Pattern[str] | None
    deletes: bool


def wanted(arguments: list[str]) -> Wanted:
    """Read the arguments. Raises SystemExit with one line for those that cannot be used."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in REFUSED:
            sys.exit(f"s3-dist-cp: {name} is not available in this region: emrbox copies with DistCp")
    parser = argparse.ArgumentParser(prog="s3-dist-cp", allow_abbrev=False)
    parser.add_argument("--src", required=True)
    parser.add_argument("--dest", required=True)
    parser.add_argument("--srcPattern")
    parser.add_argument("--deleteOnSuccess", action="store_true")
    given = parser.parse_args(arguments)
    try:
        pattern = re.compile(given.srcPattern) if given.srcPattern else None
    except re.error as error:
        sys.exit(f"s3-dist-cp: --srcPattern is no regular expression: {error}")
    return Wanted(given.src, given.dest, pattern, given.deleteOnSuccess)


def files(listing: str) -> list[str]:
    """Return the addresses of the files, not of the folders, that `hadoop fs -ls -R` shows."""
    rows = (line.split(maxsplit=COLUMNS) for line in listing.splitlines())
    return [row[COLUMNS] for row in rows if len(row) > COLUMNS and row[0].startswith("-")]


def exclusion(address: str) -> str:
    """Return the line of DistCp's filters that leaves out this one file, however its scheme is written."""
    # Java's quoting: \E in a name ends it, and begins it again.
    path = urlsplit(address).path.replace("\\E", "\\E\\\\E\\Q")
    return rf"([a-z0-9]+:)?(//[^/]*)?\Q{path}\E"


def copy(asked: Wanted) -> None:
    """Copy. Raises CalledProcessError when Hadoop's program fails."""
    # Contents of a folder, as with S3DistCp, and not the folder itself.
    command = [HADOOP, "distcp", "-overwrite"]
    if asked.pattern is None and not asked.deletes:
        subprocess.run([*command, asked.source, asked.target], check=True)
        return
    shown = subprocess.run(
        [HADOOP, "fs", "-ls", "-R", asked.source], check=True, stdout=subprocess.PIPE, text=True
    )
    there = files(shown.stdout)
    chosen = [one for one in there if asked.pattern is None or asked.pattern.fullmatch(one)]
    with tempfile.NamedTemporaryFile("w", prefix="s3-dist-cp-") as filters:
        filters.writelines(f"{exclusion(one)}\n" for one in set(there) - set(chosen))
        filters.flush()
        subprocess.run([*command, "-filters", filters.name, asked.source, asked.target], check=True)
    if asked.deletes and chosen:
        subprocess.run([HADOOP, "fs", "-rm", "-skipTrash", *chosen], check=True)


def main() -> int:
    """Copy as the arguments say."""
    asked = wanted(sys.argv[1:])
    try:
        copy(asked)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"s3-dist-cp: {asked.source} was not copied: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
