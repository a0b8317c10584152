// Package filter owns the inbound filters: which normalized events a project does not want to
// keep, and the reason that their outcome carries.
//
//	Settings (the protocol's names) ── Compile ──▶ *Filter ── Check(event, client address) ──▶ reason
//
// The processor calls Check between Normalize and scrubbing, because the rules look at the parsed
// user agent, the formatted message and the text as it was sent.
package filter
