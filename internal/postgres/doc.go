// Package postgres holds every SQL statement, one file per concept.
//
// The processor writes events a batch at a time:
//
//	RecordEvents ── one transaction ──▶ event_seen · issues · issue_hashes · events · event_blocks
//	                                    activities · outcomes · alert_outbox · pending_facts
//	FoldFacts    ── pending_facts ────▶ issue_hours · issue_tags · hash_counts · releases · …
//	RelayChanges ── alert_outbox ─────▶ queue alerts
//
// Statements are constants named sql…; a test prepares each one against the schema. Every failure
// leaves as a fault: Unknown for a missing row, Conflict for a duplicate, Unavailable when trying
// again may help.
package postgres
