// Package alert owns alert rules and what becomes of the alerts they cause. It holds values and
// decisions only: the notifier carries changes to Match, package postgres stores what came of it.
//
//	issue.Change ──Match──▶ Rule ──one per Action──▶ Delivery
//
//	             ┌───────────── redelivered by hand ────────────┐
//	             ▼                                              │
//	        DeliveryQueued ──answered 2xx──▶ DeliverySent ──────┤
//	         │  ▲   │                                           │
//	         │  └───┘ failed, tried again later                 │
//	         └──refused for good, or 72 h of failure──▶ DeliveryFailed
//	        DeliverySuppressed: the rule spoke about this issue less than Frequency ago
package alert
