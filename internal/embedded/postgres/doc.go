// Package postgres starts and supervises a private PostgreSQL cluster, for `tocsin up` without a
// database URL and for tests. It uses the server programs that the machine has.
//
//	Start ── find programs ── initdb (once) ── stop an orphan ── run ─┬─▶ ready
//	                                                    ▲             │ dies
//	                                                    └── backoff ◀─┘
//	Stop ── SIGINT (fast shutdown) ── wait
//
// The directory holds data (the cluster), run (the socket), password and postgres.log. Only the
// socket is listened on, and only the generated password opens it.
package postgres
