// Package bus carries messages, questions and shared state between services, over NATS. Which
// service may use which edge, and under which policy, is the Graph that ParseGraph reads; an edge
// is used through a Queue, a Call or a Bucket.
//
// A queue is a JetStream work queue. Publishers share packs, so that one sync makes many messages
// durable; consumers get batches of whatever has arrived.
//
//	Publish ─┐                          ┌─▶ handler ─ nil ──▶ acknowledge
//	Publish ─┼─▶ pack ─▶ stream ─▶ batch┤
//	Publish ─┘            ▲             ├─ infrastructure failed ─▶ give back, pause
//	                      └── delayed ──┼─ failed ─▶ each pack alone ─▶ retry, up to max_retries
//	                                    └─ failed for good ─▶ halves ─▶ the guilty message ─▶ DLQ
//
// A message is acknowledged only after the handler returned nil for it or its dead letter is
// durable. Everything may be delivered more than once.
//
// A call is a NATS request with a deadline, a circuit breaker, and retries where the binding calls
// it idempotent; the server's fault kind and public text come back to the caller. A bucket is a
// key-value stream that is watched.
package bus
