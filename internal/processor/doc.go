// Package processor turns queued events into issues.
//
//	bucket projects ── policies ──┐ what each project wants dropped and removed
//	queue events ── decode ── normalize ── filter ── scrub ── group ──▶ postgres.RecordEvents   (a batch, one transaction)
//	queue outcomes ────────────────────────────────▶ postgres.ApplyOutcomes
//	alert_outbox ──▶ queue alerts                     after each batch with changes, and every second
//	pending_facts ─▶ counts, tags, users              every second, slower under load
//	partitions, retention, settling of issues         hourly, under a lease
//
// Nothing unscrubbed leaves this package: records, and with them alerts, are made of scrubbed events,
// and logs name events by their id. Messages that cannot be decoded stay, as they came, in the
// broker's stream of dead letters and nowhere else.
//
// Every step gives the same result when a message comes twice, so any number of processors may run.
package processor
