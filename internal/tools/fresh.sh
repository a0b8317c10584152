#!/bin/sh
# Fails when a generated file is not what its source would generate now.
set -eu
before=$(git status --porcelain; git diff | cksum)
make -s generate
after=$(git status --porcelain; git diff | cksum)
if [ "$before" != "$after" ]; then
	echo "generated files are stale; commit what make generate changed:" >&2
	git status --porcelain >&2
	exit 1
fi
