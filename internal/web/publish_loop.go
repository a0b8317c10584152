package web

import (
	"context"
	"time"
)

const (
	publishEvery = 30 * time.Second // in any case, in case the bucket lost something
	lookEvery    = time.Second      // for changes that other processes made
)

// follow publishes whenever the configuration changes: at once when this process changed it, else
// within lookEvery. It ends with ctx; after an error it is to be called again.
func (p *publisher) follow(ctx context.Context, revision func(context.Context) (int64, error), changed <-chan struct{}) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	known, last := int64(-1), time.Time{}
	for {
		now, err := revision(ctx)
		if err != nil {
			return err
		}
		if now != known || time.Since(last) >= publishEvery {
			if err := p.publish(ctx); err != nil {
				return err
			}
			known, last = now, time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}
