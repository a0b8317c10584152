package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// invariants are what holds of each world at its end, whatever it was through.
type invariants []*invariant

// invariant is one of them, summed up over the worlds.
type invariant struct {
	ID      string `json:"id"`
	Says    string `json:"says"`
	Checked int    `json:"checked"`
	Off     int    `json:"off"`
	Worlds  int    `json:"worlds"`
	Detail  string `json:"detail,omitempty"`
	Failure string `json:"failure,omitempty"`
}

func (i *invariant) String() string {
	text := fmt.Sprintf("%s %s: %d checked in %d installations, %d off", i.ID, i.Says, i.Checked, i.Worlds, i.Off)
	if i.Detail != "" {
		text += " (" + i.Detail + ")"
	}
	if i.Failure != "" {
		text += ": " + i.Failure
	}
	return text
}

// add enters what a world showed.
func (l *invariants) add(id, says string, checked, off int, detail string, err error) {
	at := slices.IndexFunc(*l, func(i *invariant) bool { return i.ID == id })
	if at < 0 {
		*l = append(*l, &invariant{ID: id, Says: says})
		slices.SortFunc(*l, func(a, b *invariant) int { return int(a.ID[1]) - int(b.ID[1]) })
		at = slices.IndexFunc(*l, func(i *invariant) bool { return i.ID == id })
	}
	i := (*l)[at]
	i.Checked, i.Off, i.Worlds = i.Checked+checked, i.Off+off, i.Worlds+1
	if detail != "" {
		i.Detail = detail
	}
	if err != nil && i.Failure == "" { // the first tells enough
		i.Failure = err.Error()
	}
}

// hold checks a world that is healed. Of one that loses, what waited in its queue is gone, and the fault
// counted it.
func (l *invariants) hold(ctx context.Context, w *world) {
	w.load.end()
	w.load.client.CloseIdleConnections() // what is held for us is no leak
	ids := w.load.ledger.all()
	if !w.loses {
		received, off, err := w.conserved(ctx)
		l.add("I1", "every item received has an outcome", received, off, "", err)
		missing := 0
		err = w.await(ctx, 30*time.Second, func() (err error) {
			if missing, err = w.missing(ctx, ids); err == nil && missing > 0 {
				err = fmt.Errorf("%d of %d acknowledged events are not stored", missing, len(ids))
			}
			return err
		})
		l.add("I2", "every event acknowledged is stored", len(ids), missing, "", err)
	}
	stored, off, err := w.once(ctx)
	l.add("I3", "one row for each event, and issues count exactly theirs", stored, off, "", err)
	sum := w.allAlerts
	var failed error
	if sum.Untold > 0 {
		failed = fmt.Errorf("%d alerts were not told", sum.Untold)
	}
	if sum.Alerts > 0 {
		l.add("I4", "every alert is told, repetitions carry the same id", sum.Alerts, sum.Untold, fmt.Sprintf("%d repeated under the same id", sum.Repeated), failed)
	}
	programs, leaking, detail, err := w.leaks(ctx)
	l.add("I5", "no program holds more goroutines or files than when it was calm", programs, leaking, detail, err)
}

// conserved waits until everything that ingest counted as received has an outcome.
func (w *world) conserved(ctx context.Context) (received, off int, err error) {
	err = w.await(ctx, time.Minute, func() error {
		found, err := w.accounts(ctx)
		received, off = int(found.Received), int(found.Missing)
		if err == nil && found.Missing > 0 {
			err = fmt.Errorf("%d of %d items have no outcome", found.Missing, found.Received)
		}
		return err
	})
	return received, off, err
}

// once counts events that are stored twice and issues whose count is not that of their events.
func (w *world) once(ctx context.Context) (stored, off int, err error) {
	err = w.await(ctx, time.Minute, func() error {
		err := w.db.QueryRow(ctx, `select (select count(*) from events),
			(select count(*) from (select from events group by project_id, event_id having count(*) > 1) t)
			+ (select count(*) from issues i left join (select project_id, issue_id, count(*) as n from events group by 1, 2) e
				on e.project_id = i.project_id and e.issue_id = i.id where i.times_seen <> coalesce(e.n, 0))`).Scan(&stored, &off)
		if err == nil && off > 0 {
			err = fmt.Errorf("%d events are stored twice, or issues count others than theirs", off)
		}
		return err
	})
	return stored, off, err
}

// held is what a program holds.
type held struct{ goroutines, files float64 }

// holds asks every program what it holds.
func (w *world) holds(ctx context.Context) (map[string]held, error) {
	all := map[string]held{}
	for name := range w.Programs {
		var h held
		var err error
		if h.goroutines, err = w.metric(ctx, name, "go_goroutines"); err == nil {
			h.files, err = w.metric(ctx, name, "process_open_fds")
		}
		if err != nil {
			return nil, err
		}
		all[name] = h
	}
	return all, nil
}

// leaks waits until no program holds much more than it did when the world was new.
func (w *world) leaks(ctx context.Context) (programs, leaking int, detail string, err error) {
	const some = 60 // that come and go
	var most held
	err = fleet.Await(ctx, 3*time.Minute, func() error { // connections that rest are closed after a minute and a half
		now, err := w.holds(ctx)
		if err != nil {
			return err
		}
		programs, leaking, most = len(now), 0, held{}
		for name, h := range now {
			most = held{max(most.goroutines, h.goroutines), max(most.files, h.files)}
			if calm := w.calm[name]; h.goroutines > 1.5*calm.goroutines+some || h.files > 1.5*calm.files+some {
				leaking++
				err = fmt.Errorf("%s holds %.0f goroutines and %.0f files, calm %.0f and %.0f", name, h.goroutines, h.files, calm.goroutines, calm.files)
			}
		}
		return err
	})
	return programs, leaking, fmt.Sprintf("at most %.0f goroutines and %.0f files", most.goroutines, most.files), err
}
