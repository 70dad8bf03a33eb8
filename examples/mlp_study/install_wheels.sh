#!/bin/bash
# install_wheels.sh S3_FOLDER PYTHON TARGET
# Bootstrap action: makes the virtual environment TARGET with what requirements.txt of that folder locks by hash, from the wheels beside it.
# Nodes need no internet. PySpark's ML imports numpy, which the release does not promise to have.
set -euo pipefail
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
aws s3 cp --recursive --only-show-errors "$1" "$wheels"
sudo "$2" -m venv "$3"
sudo "$3/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-index --no-deps --require-hashes \
  --find-links "$wheels" --requirement "$wheels/requirements.txt"
