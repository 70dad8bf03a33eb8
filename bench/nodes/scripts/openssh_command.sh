#!/usr/bin/env bash
# One command on every node, and nothing else.
set -euo pipefail

xargs -a "$BENCH_NODES" -P "$BENCH_PARALLEL" -I{} \
  bash -c "$BENCH_SSH -o KexAlgorithms=^curve25519-sha256 -T -n {} true"
