#!/bin/sh
# Fails when a dependency that is really called has a known vulnerability. The database of
# vulnerabilities is fetched; where it cannot be reached that is said, and nothing is claimed.
set -u
out=$(go tool -modfile=internal/tools/go.mod govulncheck ./... 2>&1)
code=$?
case "$out" in
*"fetching vulnerabilities"*)
	echo "vulnerabilities: not checked, the database cannot be reached from here" >&2
	exit 0 ;;
esac
[ "$code" -eq 0 ] || echo "$out" >&2
exit "$code"
