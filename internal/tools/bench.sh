#!/bin/sh
# Prints the benchmark tables: the built program under load, then the hot paths one by one.
set -eu
go run ./internal/bench -tocsin bin/tocsin "$@"
go test -run '^$' -bench . -benchmem -cpu 1 -benchtime 300ms ./internal/... 2>/dev/null | grep -E '^(Benchmark|pkg:)'
