// Package fleet starts the four programs of an installation beside a NATS server and a private
// Postgres, as processes of their own that a test or a measurement may kill, stop and start again.
// Where it is asked to, a proxy on every link between two of them can be made slow, silent, or cut.
//
//	ingest ─(proxy)─▶ NATS ─(proxy)─▶ processor, notifier, web ─(proxy)─▶ Postgres
//
// A program that uses it calls ServeBroker first: the NATS server is the program itself.
package fleet
