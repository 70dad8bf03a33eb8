#!/usr/bin/env bash
# fetch_environment.sh ENVIRONMENT ARCHIVE
# On a node: unpacks a Python environment from S3, beside its place first, so that it is there whole or not at all.
set -euo pipefail
environment=$1 archive=$2
parent=$(dirname "$environment")

mkdir -p "$parent"
incoming=$(mktemp -d "$parent/.incoming-XXXXXX")
trap 'rm -rf "$incoming"' EXIT
aws s3 cp --no-progress "$archive" - | zstd -q -d | tar -C "$incoming" -x
rm -rf "$environment"
mv "$incoming/$(basename "$environment")" "$environment"
