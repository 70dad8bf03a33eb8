#!/usr/bin/env bash
# fetch_wheels.sh PYTHON LOCK VERSION ARCHITECTURE ARCHIVE TOOLS
# On the control host: downloads the wheels of the hash-locked file LOCK for Linux nodes, and uv as the hash-locked file TOOLS has it, and
# packs them and LOCK into ARCHIVE.
set -euo pipefail
python=$1 lock=$2 version=$3 architecture=$4 archive=$5 tools=$6
parent=$(dirname "$archive")

mkdir -p "$parent"
incoming=$(mktemp -d "$parent/.incoming-XXXXXX")
trap 'rm -rf "$incoming" "$incoming.tar"' EXIT
# pip reads requirements in the locale's encoding otherwise.
export PYTHONUTF8=1
# The control host may be another system: the platform is named, not detected. Amazon Linux 2023 has glibc 2.34.
platforms=()
for glibc in 2_34 2_31 2_28 2_27 2_24 2_17; do
  platforms+=(--platform "manylinux_${glibc}_$architecture")
done
# download LOCK FOLDER: in an empty folder, because pip takes a requirement for a file of the current folder when one has its name.
download() {
  (cd "$2" && "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --implementation cp --python-version "$version" "${platforms[@]}" --platform "manylinux2014_$architecture" \
    --dest . -r "$1")
}
download "$lock" "$incoming"
mkdir "$incoming/tools"
download "$tools" "$incoming/tools"
# A wheel is a zip file; pip itself would only install it for this machine.
"$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$incoming"/tools/uv-*.whl "$incoming/tools"
mv "$incoming"/tools/uv-*.data/scripts/uv "$incoming/uv"
chmod 755 "$incoming/uv"
rm -rf "$incoming/tools"
cp "$lock" "$incoming/requirements.txt"
tar -C "$incoming" -cf "$incoming.tar" .
"$python" -c 'import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDONLY))' "$incoming.tar"
mv "$incoming.tar" "$archive"
