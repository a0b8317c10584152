// Package webhook delivers alerts as signed JSON over HTTP.
//
// A message is a POST that receivers written for Sentry's issue alerts understand as it is: the
// header Sentry-Hook-Resource is event_alert, "action" is "triggered", "data" holds "event",
// "issue" and "triggered_rule". Beside them "tocsin" tells the same in our own words:
//
//	version       1; grows when a member changes its meaning
//	kind          alert, escalation, resolve, digest, disabled, test
//	delivery_id   the entry of the delivery log; the same for each try
//	test          true: a sample, sent by hand
//	change        what happened: new, regressed
//	at            when it happened
//	rule          id and name of the rule that wanted it told
//	organization  slug
//	project       id, slug, name, platform
//	issue         id, short_id, url (the page), title, culprit, level, platform, first_seen, times_seen,
//	              user_count, status, priority, assignee
//	event         the event that caused the change: id, release, environment, and where it broke:
//	              frame, code
//	digest        of a digest: alerts, total, from, to, issues
//
// The setting format chooses other forms: "issue" is the integration platform's issue resource,
// "legacy" the body of Sentry's WebHooks plugin, "tocsin" our own account alone.
//
// Ids are decimal text, times RFC 3339 in UTC. Two signatures say who sent it: Sentry-Hook-Signature
// is the hex HMAC-SHA256 of the body under the secret; Webhook-Signature is that of Standard
// Webhooks over id, time and body, one for each secret that is valid. Webhook-Id is the same for
// each try: a receiver that remembers it acts once.
//
// Any answer of 2xx is success. Others are tried again over 72 hours, except 410 Gone.
package webhook
