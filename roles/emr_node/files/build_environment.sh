#!/usr/bin/env bash
# build_environment.sh ENVIRONMENT PREFIX WHEELS PYTHON
# On a node: builds a Python environment from the folder WHEELS (wheels, requirements.txt, pip), unless it is finished already, and
# packs it to S3 as PREFIX-<sha256>.tar.zst. The last line of its output is the SHA-256.
set -euo pipefail
environment=$1 prefix=$2 wheels=$3 python=$4
marker=$environment/.kiln-complete
# pip reads requirements in the locale's encoding otherwise.
export PYTHONUTF8=1
mkdir -p "$(dirname "$environment")"
packed=$(mktemp -d "$(dirname "$environment")/.packed-XXXXXX")
trap 'rm -rf "$packed"' EXIT

if [[ ! -e $marker ]]; then
  rm -rf "$environment"
  "$python" -m venv --without-pip "$environment"
  # In an empty folder: pip takes a requirement for a file of the current folder when one has its name.
  (cd "$packed" && PYTHONPATH=$wheels "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-index --find-links "$wheels" --require-hashes --no-deps --no-compile --only-binary :all: -r "$wheels/requirements.txt")
  # Report a lock file that lacks a package here, before a step fails.
  PYTHONPATH=$wheels "$environment/bin/python" -m pip --disable-pip-version-check check >&2
  # Jobs run as another user and cannot write there: without this every Python worker compiles what it imports again.
  # Tests are never imported by a job, and some do not compile on purpose.
  "$environment/bin/python" -m compileall -q -j 0 -x '/tests?/' "$environment/lib"
  # Everything must be on the disk before the marker is.
  sync -f "$environment"
  touch "$marker"
fi

# A file first: what is cut off, because the disk is full or a command has failed, never gets to S3.
tar -C "$(dirname "$environment")" -c "$(basename "$environment")" | zstd -q -3 -T0 -o "$packed/archive"
digest=$(sha256sum "$packed/archive")
digest=${digest%% *}
aws s3 cp --no-progress "$packed/archive" "$prefix-$digest.tar.zst" >&2
echo "$digest"
