#!/usr/bin/env bash
# check.sh FINGERPRINT ENVIRONMENT|- MODULE,…|- PACKAGE…: on an instance that has booted from a new image. Fails at the first thing
# that is not there, and names it in its last line on stdout.
set -euo pipefail
fingerprint=$1 environment=$2 modules=$3
shift 3

die() {
  echo "$*"
  exit 1
}

found=$(python3 -c 'import json; print(json.load(open("/opt/kiln/image.json"))["fingerprint"])') || die "/opt/kiln/image.json cannot be read"
[[ $found == "$fingerprint" ]] || die "/opt/kiln/image.json has fingerprint $found, not $fingerprint"
for package in "$@"; do
  rpm -q --quiet "$package" || rpm -q --quiet --whatprovides "$package" || die "package $package is not installed"
done
if [[ $environment != - ]]; then
  [[ -e $environment/.kiln-complete ]] || die "the Python environment $environment is not complete"
  [[ $modules == - ]] || "$environment/bin/python" -c "import $modules" || die "one of the Python modules $modules cannot be imported"
  "$environment/bin/python" -c 'import sys' || die "$environment/bin/python does not run"
fi
