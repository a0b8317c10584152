// Command chaos breaks a built Tocsin in every way it is meant to survive, under a load of recorded
// SDK traffic, and checks from outside that nothing acknowledged was lost or counted twice.
//
//	go run ./internal/chaos -bin bin [-seed 7] [-set short|long] [-only F02,F27] [-json report.json] [-limit 40m]
//
//	recorded traffic ─▶ ingest ─proxy─▶ NATS ─proxy─▶ processor ─proxy─▶ Postgres
//	       │                                                                │
//	       └─▶ ledger of acknowledged ids ──────── checker ◀────────────────┘
//
// The seed decides the order of faults, their moments and the traffic; a failing run is replayed
// with the seed and the set that it printed.
package main
