#!/usr/bin/env bash
# rsync as people write it: one process a node, all nodes at once.
set -euo pipefail
export RSYNC_RSH="$BENCH_SSH"

xargs -a "$BENCH_NODES" -P "$BENCH_PARALLEL" -I{} \
  rsync -a --delete --mkpath --rsync-path="sudo rsync" "$BENCH_FILES/" "{}:$BENCH_ROOT/current/"
