#!/bin/sh
# Fuzzes every target one after another, each for FUZZTIME, and prints how often each ran. Names given
# as arguments (package/Target) are run instead, in that order. What a run finds is written below the
# package's testdata/fuzz, where `go test` replays it from then on.
set -u
time=${FUZZTIME:-10m}
fail=0
printf '| target | time | executions | inputs kept | result |\n|---|---:|---:|---:|---|\n'
for t in ${*:-$(grep -r -o --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' internal | sed 's,^internal/,,; s,/[^/]*:func ,/,' | sort)}; do
	log=$(mktemp)
	if go test -run '^$' -fuzz "^${t##*/}\$" -fuzztime "$time" -fuzzminimizetime 20x -parallel "${FUZZ_WORKERS:-1}" "./internal/${t%/*}" >"$log" 2>&1; then
		result=clean
	else
		result=FAILED fail=1
	fi
	# The last line of progress reads: fuzz: elapsed: 10m0s, execs: 81234 (12/sec), new interesting: 7 (total: 45)
	sed -n 's/^fuzz: elapsed: \([^,]*\), execs: \([0-9]*\) .*(total: \([0-9]*\)).*/\1 | \2 | \3/p' "$log" | tail -1 |
		sed "s,^,| $t | ,; s,\$, | $result |,"
	[ $result = clean ] || cat "$log"
	rm -f "$log"
done
exit $fail
