#!/usr/bin/env bash
# archive_commit.sh URL COMMIT OBJECTS ARCHIVE
# On the control host: fetches one commit into the cache OBJECTS (a bare repository) and packs its files into ARCHIVE.
set -euo pipefail
url=$1 commit=$2 objects=$3 archive=$4

mkdir -p "$(dirname "$archive")" "$objects"
# Two runs may come here at the same time.
exec 9>"$objects.lock"
flock 9
git init --quiet --bare "$objects"
git -C "$objects" cat-file -e "$commit^{tree}" 2>/dev/null || git -C "$objects" fetch --quiet --depth 1 -- "$url" "$commit"
partial=$(mktemp "$archive.XXXXXX")
trap 'rm -f "$partial"' EXIT
# The extra file comes last in the archive: a release that has it is complete.
git -C "$objects" -c tar.umask=0022 archive --format=tar --add-virtual-file=".kiln-release:$commit" -o "$partial" "$commit"
mv "$partial" "$archive"
