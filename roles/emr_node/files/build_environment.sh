#!/usr/bin/env bash
# build_environment.sh ENVIRONMENT ARCHIVE WHEELS PYTHON
# On a node: builds a Python environment from the folder WHEELS (wheels, requirements.txt, pip), unless it is finished already, and packs it to S3.
set -euo pipefail
environment=$1 archive=$2 wheels=$3 python=$4
marker=$environment/.kiln-complete

if [[ ! -e $marker ]]; then
  rm -rf "$environment"
  "$python" -m venv --without-pip "$environment"
  PYTHONPATH=$wheels "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$wheels" \
    --require-hashes --no-deps --no-compile -r "$wheels/requirements.txt"
  # Jobs run as another user and cannot write there: without this every Python worker compiles what it imports again.
  # Tests are never imported by a job, and some do not compile on purpose.
  "$environment/bin/python" -m compileall -q -j 0 -x '/tests?/' "$environment/lib"
  touch "$marker"
fi
tar -C "$(dirname "$environment")" -c "$(basename "$environment")" | zstd -q -3 -T0 | aws s3 cp --no-progress - "$archive"
