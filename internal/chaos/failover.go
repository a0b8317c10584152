package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// longestGap is how long nothing may be stored while a standby takes over.
const longestGap = 30 * time.Second

// followed gives Postgres a standby, which every program's address of the database names too.
func followed(o *fleet.Options) { o.Standby, o.Proxies = true, false }

// failedOver ends Postgres for good under load and promotes its standby: programs find it by themselves.
func failedOver(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	began := time.Now()
	if err := w.FailOver(ctx); err != nil {
		return err
	}
	promoted := time.Since(began)
	w.db.Close()
	url, err := w.AdminURL()
	if err != nil {
		return err
	}
	if w.db, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	ids := w.load.ledger.recent()
	if err := w.await(ctx, longestGap, func() error { return w.missingAre(ctx, ids, 0) }); err != nil {
		return err
	}
	w.note = fmt.Sprintf("promoted %.1f s after the primary's death, everything acknowledged until then stored after %.1f s", promoted.Seconds(), time.Since(began).Seconds())
	w.hold(ctx, 0.5)
	return nil
}
