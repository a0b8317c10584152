// Package event owns the event model: reading every shape a client sends, field by field, so that
// a wrong type costs one field and never the event; filling in defaults; holding limits; and
// writing the canonical form that is stored.
//
//	Raw (queue) ── Decode ──▶ Event ── Normalize ──▶ Event ── AppendJSON ──▶ stored payload
//	                            ▲                                              │
//	                            └────────────────── Decode ◀───────────────────┘
//
// Field names on the wire are the protocol's; see https://develop.sentry.dev/sdk/foundations/
// and, for the tolerances, getsentry/relay relay-event-schema.
package event
