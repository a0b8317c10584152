// Package nats runs a private NATS server with JetStream inside this process, for `tocsin up` and
// for tests.
//
//	Start ──▶ launch ──▶ ensure streams ──▶ serving ◀──────────────┐
//	                                          │ unhealthy          │
//	                                          ▼                    │
//	                                 halt, wait for disk ──▶ launch again
//
// Every identity of the bindings is a user of its own, with a password that exists only in memory
// and the permissions that the graph gives it. No port is opened.
package nats
