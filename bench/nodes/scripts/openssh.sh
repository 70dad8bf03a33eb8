#!/usr/bin/env bash
# What one would write by hand: a shell script and a tar file through one ssh a node, all nodes at once.
set -euo pipefail

case $BENCH_CHAIN in
provision)
  script="rpm -q $BENCH_PACKAGES >/dev/null || dnf -y -q install $BENCH_PACKAGES || exit 1"
  ;;
deploy)
  script=:
  ;;
archive)
  script="test -e $BENCH_ENVIRONMENT_PATH/.kiln-complete && exit
mkdir -p ${BENCH_ENVIRONMENT_PATH%/*} && cd ${BENCH_ENVIRONMENT_PATH%/*} && aws s3 cp --no-progress $BENCH_ARCHIVE archive >/dev/null &&
tar --zstd -xpf archive && rm archive; exit"
  ;;
esac
release=$BENCH_ROOT/releases/$BENCH_COMMIT
# Of a transfer that was cut off nothing is taken for a release.
script+="
if ! test -e $release; then
  mkdir -p $release.new && tar -x --no-same-owner -C $release.new && mv $release.new $release || exit 1
fi
ln -sfn releases/$BENCH_COMMIT $BENCH_ROOT/current"
export script

xargs -a "$BENCH_NODES" -P "$BENCH_PARALLEL" -I{} \
  bash -c "$BENCH_SSH -o KexAlgorithms=^curve25519-sha256 -T {} \"sudo sh -c '\$script'\" <\"\$BENCH_TAR\""
