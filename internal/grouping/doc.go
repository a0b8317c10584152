// Package grouping decides which events belong together. It reduces an event to one or more hashes;
// two events that share a hash are the same issue.
//
//	event ─▶ trim function names ─▶ stack-trace rules ─▶ in-app and category of every frame
//	                                                          │
//	     hashes ◀─ fingerprint ◀─ variants ◀─ component trees ◀┘
//
// A component tree says which parts of an event matter: leaves are texts, and every node either
// contributes or carries a hint that says why it does not. A variant (app, system, default, …) is
// the tree of one view of the event, and its hash is the MD5 of the contributing leaves in order.
// Assign and Explain build the same trees; Explain goes on to the strategies that Assign no longer
// needs and puts everything into words.
//
// The event is expected to be normalized. All results are the same when an event is seen again,
// also after Assign has changed its frames.
//
// Rule: https://develop.sentry.dev/backend/application-domains/grouping/
package grouping
