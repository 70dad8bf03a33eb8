#!/usr/bin/env bash
# fetch_environment.sh ENVIRONMENT ARCHIVE SHA256
# On a node: fetches a packed Python environment from S3, compares it with its digest, and unpacks it beside its place, so that it is
# there whole or not at all.
set -euo pipefail
environment=$1 archive=$2 digest=$3
parent=$(dirname "$environment")

mkdir -p "$parent"
# One at a time, so that what is left of one that was killed can be removed.
exec 9<"$parent"
flock 9
rm -rf "$parent"/.incoming-*
incoming=$(mktemp -d "$parent/.incoming-XXXXXX")
trap 'rm -rf "$incoming"' EXIT
aws s3 cp --no-progress "$archive" "$incoming/archive" >&2
# Every node may write there: nothing of another archive is unpacked.
if ! echo "$digest  $incoming/archive" | sha256sum --check --status; then
  echo "$archive is not the archive that was built: its SHA-256 differs. Find out who has written it; an administrator of the account" \
    "removes it (aws s3 rm $archive); then provision again" >&2
  exit 3
fi
zstd -q -d <"$incoming/archive" | tar -C "$incoming" -x
name=$(basename "$environment")
[[ -e $incoming/$name/.kiln-complete ]]
sync -f "$incoming"
rm -rf "$environment"
mv "$incoming/$name" "$environment"
