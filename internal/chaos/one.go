package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// one makes the world a single "tocsin up".
func one(o *fleet.Options) { o.One, o.Proxies = true, false }

// queueLost deletes the folder of the queue while events wait in it: the installation starts on a new one,
// what is lost is what waited, and the ledger says how much.
func queueLost(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	if _, err := w.cli(ctx, "queue", "pause", "events", "--reason", "chaos fills the queue"); err != nil {
		return err
	}
	w.hold(ctx, 0.5)
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	time.Sleep(5 * time.Second) // what was received is in the ledger of the database by now
	ids := w.load.ledger.fresh()
	waited, err := w.missing(ctx, ids)
	if err != nil {
		return err
	}
	w.kill("tocsin")
	if err := errors.Join(os.RemoveAll(filepath.Join(w.Data(), "nats")), w.start("tocsin"), w.Ready(ctx, "tocsin")); err != nil {
		return err
	}
	w.db.Reset()
	if err := w.missingAre(ctx, ids, waited); err != nil {
		return err
	}
	var named int64
	err = w.await(ctx, time.Minute, func() error {
		found, err := w.accounts(ctx)
		if named = found.Missing; err == nil && named < int64(waited) {
			err = fmt.Errorf("the ledger misses %d of %d", named, waited)
		}
		return err
	})
	w.note = fmt.Sprintf("%d acknowledged events waited in the queue and went with it; tocsin ledger check names %d without an outcome", waited, named)
	if err == nil && (waited == 0 || named > int64(waited)+workers) { // some more are on their way now
		err = errors.New(w.note)
	}
	return err
}

// accounts is the ledger of the database: what was received, and what of that has no outcome.
type accounts struct{ Received, Missing int64 }

// accounts asks tocsin ledger check.
func (w *world) accounts(ctx context.Context) (found accounts, err error) {
	url, err := w.AdminURL()
	if err != nil {
		return found, err
	}
	out, err := w.Tocsin(ctx, "ledger", "check", "--settle", "0s", "--json", "--database-url", url)
	if failed := json.Unmarshal(out, &found); failed != nil { // it ends with an error when something is missing
		return found, errors.Join(err, failed)
	}
	return found, nil
}
