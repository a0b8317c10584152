package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// skewedClocks sends events of clients whose clocks are a day ahead and a day behind: they are filed by our
// clock, corrected, and say so.
func skewedClocks(ctx context.Context, w *world, rng *rand.Rand) error {
	const near = 5 * time.Minute
	type stored struct {
		DateCreated  time.Time
		DateReceived time.Time
		Errors       []struct{ Type string }
	}
	noted := 0
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		for range 10 {
			id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
			theirs := time.Now().Add(off).UTC()
			event := fmt.Sprintf(`{"event_id":%q,"timestamp":%q,"message":"a clock that is off","platform":"other"}`, id, theirs.Format(time.RFC3339))
			body := fmt.Appendf(nil, "{\"event_id\":%q,\"sent_at\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, theirs.Format(time.RFC3339), len(event), event)
			if status, err := w.load.post(ctx, body); err != nil || status != http.StatusOK {
				return fmt.Errorf("an event was answered %d: %w", status, err)
			}
			w.load.ledger.add(id)
			var ev stored
			if err := w.await(ctx, 30*time.Second, func() error {
				return w.get(ctx, "/api/0/projects/"+w.Organization+"/"+w.Project+"/events/"+id+"/", &ev)
			}); err != nil {
				return err
			}
			if d := time.Since(ev.DateReceived).Abs(); d > near {
				return fmt.Errorf("event %s was received %s from now", id, d)
			}
			if d := ev.DateCreated.Sub(ev.DateReceived).Abs(); d > near {
				return fmt.Errorf("event %s of a clock %s off is filed %s from its receipt", id, off, d)
			}
			for _, e := range ev.Errors {
				if strings.Contains(e.Type, "clock") || strings.Contains(e.Type, "timestamp") {
					noted++
					break
				}
			}
		}
	}
	w.note = fmt.Sprintf("20 events of clocks a day off are filed by ours, %d of them say so", noted)
	if noted != 20 {
		return errors.New(w.note)
	}
	return nil
}

// get reads from the API.
func (w *world) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.AuthToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
