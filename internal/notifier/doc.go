// Package notifier tells people about changes of issues.
//
//	queue alerts ──Alert──▶ rules of the project ──▶ deliveries, one per rule, change and action
//	                                                   │ wake
//	                                                   ▼
//	                    deliver: claim ──▶ channel.Send ──▶ FinishAttempt
//	                       ▲  under a lease   ≤ 64 at once      │
//	                       └── due again ◀── alert.Judge ◀──────┘
//
//	call rules.test ──▶ a sample, sent now        call deliveries.redeliver ──▶ due again
//
// A change that comes twice finds its deliveries in place. A process that dies between sending and
// recording leaves a lease behind; the message goes out once more under the same delivery id.
package notifier
