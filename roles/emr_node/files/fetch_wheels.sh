#!/usr/bin/env bash
# fetch_wheels.sh PYTHON LOCK VERSION ARCHITECTURE ARCHIVE
# On the control host: downloads the wheels of a hash-locked file for Linux nodes and packs them, the file and pip into ARCHIVE.
set -euo pipefail
python=$1 lock=$2 version=$3 architecture=$4 archive=$5
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
# In an empty folder: pip takes a requirement for a file of the current folder when one has its name.
(cd "$incoming" && "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
  --implementation cp --python-version "$version" "${platforms[@]}" --platform "manylinux2014_$architecture" \
  --dest . -r "$lock")
cp "$lock" "$incoming/requirements.txt"
# pip comes along: making a venv with the node's own costs 2.5 s more.
cp -R "$("$python" -c 'import os, pip; print(os.path.dirname(pip.__file__))')" "$incoming/pip"
tar -C "$incoming" --exclude __pycache__ -cf "$incoming.tar" .
"$python" -c 'import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDONLY))' "$incoming.tar"
mv "$incoming.tar" "$archive"
