package notifier

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// asking is how far a number must be counted for the open rules of one change: none of them compares
// with less than least, none with more than most; 0: one asks for the number itself.
type asking struct{ least, most int64 }

// askings are the counts that open rules need.
func (q *inquiry) askings() map[alert.Count]asking {
	var list map[alert.Count]asking
	for _, e := range q.open {
		for i, c := range e.Needs.Counts {
			limit := e.Needs.Limits[i]
			a, known := list[c]
			switch {
			case !known:
				a = asking{limit, limit}
			case limit == 0 || a.most == 0:
				a = asking{}
			default:
				a = asking{min(a.least, limit), max(a.most, limit)}
			}
			if list == nil {
				list = map[alert.Count]asking{}
			}
			list[c] = a
		}
	}
	return list
}

// tell notes a count among the facts.
func (q *inquiry) tell(c alert.Count, n float64) {
	if q.facts.Counts == nil {
		q.facts.Counts = map[alert.Count]float64{}
	}
	q.facts.Counts[c] = n
}

// question is a count that has to be read, for an inquiry.
type question struct {
	of   *inquiry
	what alert.Count
	asking
}

func (q *question) key() countKey { return countKey{q.of.change.Issue, q.what} }

// counts counts events and users, all in one statement. A number that cannot have grown beyond what
// rules compare with since it was counted last is not counted again.
func (g *gathering) counts(ctx context.Context) error {
	var plain, filtered []question
	for _, q := range g.asked {
		for c, a := range q.askings() {
			n := question{q, c, a}
			switch most, known := g.memory.atMost(n.key(), q.issue.TimesSeen); {
			case known && most < a.least:
				q.tell(c, float64(most))
			case c.Filter != "":
				filtered = append(filtered, n)
			default:
				plain = append(plain, n)
			}
		}
	}
	if err := g.countPlain(ctx, plain); err != nil {
		return err
	}
	return g.countFiltered(ctx, filtered)
}

func (g *gathering) countPlain(ctx context.Context, list []question) error {
	if len(list) == 0 {
		return nil
	}
	asked := make([]postgres.AlertCount, len(list))
	for i, n := range list {
		asked[i] = postgres.AlertCount{Issue: n.of.change.Issue, Count: n.what, Limit: n.most}
	}
	found, err := g.store.CountForAlerts(ctx, g.project, asked, time.Now())
	if err != nil {
		return err
	}
	for i, n := range list {
		n.of.tell(n.what, found[i])
		g.note(&n, int64(found[i]))
	}
	return nil
}

// note remembers a count that ended now; of the past, nothing tells how it goes on.
func (g *gathering) note(n *question, found int64) {
	if n.what.Shift == 0 {
		g.memory.count(n.key(), found, n.most, n.of.issue.TimesSeen)
	}
}

// countFiltered counts the users of events that filters accept: of an issue that has enough users.
func (g *gathering) countFiltered(ctx context.Context, list []question) error {
	asked := make([]postgres.AlertCount, len(list))
	for i, n := range list {
		all := n.what
		all.Filter = ""
		asked[i] = postgres.AlertCount{Issue: n.of.change.Issue, Count: all, Limit: n.most}
	}
	if len(asked) == 0 {
		return nil
	}
	users, err := g.store.CountForAlerts(ctx, g.project, asked, time.Now())
	if err != nil {
		return err
	}
	for i, n := range list {
		found := users[i]
		if n.least == 0 || int64(found) >= n.least {
			if found, err = g.sieve(ctx, &n); err != nil {
				return err
			}
		}
		n.of.tell(n.what, found)
		g.note(&n, int64(found))
	}
	return nil
}

// sieve counts the users of events that the filters of a count accept. Each event is read but once.
func (g *gathering) sieve(ctx context.Context, n *question) (float64, error) {
	sieve, err := alert.NewSieve(n.what.Filter)
	if err != nil {
		return 0, err
	}
	known := g.memory.sieve(n.key())
	known.mu.Lock()
	defer known.mu.Unlock()
	to := time.Now().Add(-n.what.Shift)
	rows, err := g.store.EventsWithin(ctx, g.project, n.of.change.Issue, to.Add(-n.what.Window), to, filteredEvents, func(id event.ID) bool {
		_, read := known.accepted[id]
		return read
	})
	if err != nil {
		return 0, err
	}
	accepted := make(map[event.ID]bool, len(rows)) // those that left the window are forgotten
	users := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		ok := known.accepted[r.ID]
		if r.Event != nil {
			ok = sieve.Accepts(alerting.EventFacts(r))
		}
		if accepted[r.ID] = ok; ok && r.UserKey != "" && (n.what.Environment == "" || n.what.Environment == r.Environment) {
			users[r.UserKey] = true
		}
	}
	known.accepted = accepted
	return float64(len(users)), nil
}
