// Package scrub removes personal data and secrets from events before they are stored.
//
//	Settings ── Compile ──▶ *Scrubber ── Apply(event) ──▶ the same event, with remarks in Meta
//
// A Scrubber holds applications: a selector, which says where, and rules, which say what is looked
// for and what takes its place. Apply walks the event once. Each text is scanned once, and the scan
// decides which rules are worth running, so that an event with nothing to hide costs little more
// than reading it. What was replaced is never looked at again: applying twice is applying once.
//
// By design the default rules leave alone: exception values and frame paths (they identify the
// issue), tags, the request's URL, culprit and other attributes of the event itself, debug_meta, the
// User-Agent header; in formatted messages they replace only what they recognise with certainty.
// Settings.Strict adds recognisers that replace secrets, and nothing around them, in those places.
//
// Rule: getsentry/relay relay-pii and getsentry/develop src/docs/pii
package scrub
