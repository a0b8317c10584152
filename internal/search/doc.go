// Package search owns the issue-search language: text to a syntax tree and back. It knows which
// words exist and what kind of value each takes; it does not know where the answers are stored.
//
//	"is:unresolved !level:info boom" ──Parse──▶ Query{Terms} ──postgres──▶ SQL with parameters
//	                                              └──String──▶ the same search in canonical form
//
// Every term must hold; one of FieldAny holds when one of its alternatives does: (a OR b) c. Keys the
// language does not know are tags.
//
// Rule: getsentry/sentry src/sentry/api/event_search.py and src/sentry/issues/issue_search.py
package search
