// Command bench measures a built tocsin from outside: it starts one with a folder of its own,
// loads it, and prints what it did beside what this machine can do at all, so that figures of
// different machines can be compared as ratios.
//
//	go run ./internal/bench -tocsin bin/tocsin [-json report.json] [-seconds 30]
//
// An event counts as drained when it is stored and the API can read it.
package main
