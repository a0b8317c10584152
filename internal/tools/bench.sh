#!/bin/sh
# Prints the benchmark tables: the built program under load, as one and as separate programs, in
# projects of growing size, with small and large events, on a small machine; then the hot paths one
# by one. It takes about an hour, most of it to fill twenty million events.
set -eu
go build -o bin/bench ./internal/bench
bin/bench -tocsin bin/tocsin "$@"
for size in small large; do
	echo
	bin/bench -tocsin bin/tocsin -size $size -pages 0 -projects 0 -separate=false -seconds 15
done
if [ "$(id -u)" = 0 ]; then
	echo
	echo 'one core and 1 GiB of memory:'
	bin/bench -tocsin internal/tools/smallbox.sh -pages 0 -projects 0 -separate=false -seconds 15
fi
echo
go test -run '^$' -bench . -benchmem -cpu 1 -benchtime 300ms ./internal/... 2>/dev/null | grep -E '^(Benchmark|pkg:)'
