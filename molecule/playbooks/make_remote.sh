#!/usr/bin/env bash
# make_remote.sh FOLDER: a git remote of a model repo with the releases v1, v2 and v3, made anew. The same commits each time.
set -euo pipefail
rm -rf "$1"
git init -q -b main "$1"
cd "$1"
git config user.name models
git config user.email models@example.com
mkdir jobs
printf '#!/bin/sh\n' >jobs/train.sh
chmod 755 jobs/train.sh
ln -s train.sh jobs/latest.sh
for number in 1 2 3; do
  echo "print($number)" >jobs/sd.py
  git add -A
  GIT_AUTHOR_DATE=2026-01-0${number}T00:00:00Z GIT_COMMITTER_DATE=2026-01-0${number}T00:00:00Z git commit -q -m "Release $number"
  git tag "v$number"
done
