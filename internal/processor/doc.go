// Package processor turns queued events into issues.
//
//	queue events ── decode ── normalize ── group ──▶ postgres.RecordEvents   (a batch, one transaction)
//	queue outcomes ────────────────────────────────▶ postgres.ApplyOutcomes
//	alert_outbox ──▶ queue alerts                     after each batch with changes, and every second
//	pending_facts ─▶ counts, tags, users              every second, slower under load
//	partitions, retention, settling of issues         hourly, under a lease
//
// Every step gives the same result when a message comes twice, so any number of processors may run.
package processor
