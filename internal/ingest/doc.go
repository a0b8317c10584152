// Package ingest answers client SDKs: it authenticates, undoes content encodings within limits,
// splits envelopes, enforces limits by key, and makes accepted events durable before it says so.
// It asks no database: what it knows of projects is pushed to it and kept on disk.
//
//	request ─▶ key, origin ─▶ body ─▶ items ─▶ key limit ─▶ queue events ── acknowledged ──▶ 200
//	            (directory)   (budget)  │                        │ away
//	                                    │                        ▼
//	                                    │                      spool ── synced ──▶ 200
//	                                    ▼                        │ full
//	                            tally ─▶ queue outcomes          ▼
//	                                                            429
//
// While the bus is healthy the forwarder moves the spool's records into the queue, oldest first.
// Whatever is not kept is counted by category and reason.
package ingest
