package notifier

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

const (
	// eventsPerLook is how many of the events that were just counted filters are held against.
	eventsPerLook = 20
	// lookBack is where the events just counted lie at most.
	lookBack = 10 * time.Minute
	// filteredEvents is how many events are read to count users of those that filters accept.
	filteredEvents = 1000
)

// readIssues reads the issues that are asked about; changes of issues that are gone are dropped.
func (s *Service) readIssues(ctx context.Context, asked []*inquiry) ([]*inquiry, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	keys := make([]postgres.IssueKey, len(asked))
	for i, q := range asked {
		keys[i] = postgres.IssueKey{Project: q.change.Project, Issue: q.change.Issue}
	}
	found, err := s.store.AlertIssues(ctx, keys)
	if err != nil {
		return nil, err
	}
	var kept []*inquiry
	for i, q := range asked {
		if q.issue = found[keys[i]]; q.issue != nil {
			q.filled = *q.change
			q.issue.Fill(&q.filled)
			q.facts.Change, q.facts.Issue, q.facts.Before = &q.filled, q.issue.Facts(), s.memory.before(q.change.Issue)
			kept = append(kept, q)
		}
	}
	return kept, nil
}

// reading is a part of what rules look at.
type reading int

const (
	numbers reading = iota // counts, searches, releases
	events
)

// gather reads, for the whole batch, a part of what undecided rules look at.
func (s *Service) gather(ctx context.Context, asked []*inquiry, what reading) error {
	byProject := map[int64][]*inquiry{}
	for _, q := range asked {
		byProject[q.change.Project] = append(byProject[q.change.Project], q)
	}
	for project, list := range byProject {
		g := &gathering{Service: s, project: project, asked: list}
		steps := []func(context.Context) error{g.counts, g.queries, g.releases}
		if what == events {
			steps = []func(context.Context) error{g.events}
		}
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// gathering is the reading for the changes of one project.
type gathering struct {
	*Service
	project int64
	asked   []*inquiry
}

// window is a count that rules ask for, of all issues they ask about at once.
type window struct {
	asked []*inquiry
	limit int64 // where counting may stop, because no rule compares with more; 0: nowhere
}

// windows are the counts that open rules need.
func (g *gathering) windows() map[alert.Count]*window {
	wanted := map[alert.Count]*window{}
	for _, q := range g.asked {
		for _, e := range q.open {
			for i, c := range e.Needs.Counts {
				w := wanted[c]
				if w == nil {
					w = &window{limit: e.Needs.Limits[i]}
					wanted[c] = w
				}
				if len(w.asked) == 0 || w.asked[len(w.asked)-1] != q {
					w.asked = append(w.asked, q)
				}
				if limit := e.Needs.Limits[i]; limit == 0 || w.limit == 0 {
					w.limit = 0
				} else {
					w.limit = max(w.limit, limit)
				}
			}
		}
	}
	return wanted
}

// counts counts events and users, each window once for all issues that ask.
func (g *gathering) counts(ctx context.Context) error {
	for c, w := range g.windows() {
		ids := make([]int64, len(w.asked))
		for i, q := range w.asked {
			ids[i] = q.change.Issue
		}
		found, err := g.count(ctx, c, ids, w.limit)
		if err != nil {
			return err
		}
		for _, q := range w.asked {
			if q.facts.Counts == nil {
				q.facts.Counts = map[alert.Count]float64{}
			}
			q.facts.Counts[c] = found[q.change.Issue]
		}
	}
	return nil
}

func (g *gathering) count(ctx context.Context, c alert.Count, ids []int64, limit int64) (map[int64]float64, error) {
	if c.Filter == "" {
		return g.store.CountForAlerts(ctx, g.project, ids, c, time.Now(), limit)
	}
	var clauses []alert.Clause
	if err := json.Unmarshal([]byte(c.Filter), &clauses); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the filters of a condition")
	}
	found := make(map[int64]float64, len(ids))
	for _, id := range ids {
		now := time.Now()
		rows, err := g.store.LatestEvents(ctx, g.project, id, now.Add(-c.Shift-c.Window), now.Add(-c.Shift), filteredEvents)
		if err != nil {
			return nil, err
		}
		users := map[string]bool{}
		for i := range rows {
			if r := &rows[i]; r.UserKey != "" && (c.Environment == "" || c.Environment == r.Environment) && alert.Accepts(clauses, alerting.EventFacts(r)) {
				users[r.UserKey] = true
			}
		}
		found[id] = float64(len(users))
	}
	return found, nil
}

// queries asks which of the issues each search finds.
func (g *gathering) queries(ctx context.Context) error {
	wanted := map[string][]*inquiry{}
	for _, q := range g.asked {
		for _, e := range q.open {
			for _, text := range e.Needs.Queries {
				if list := wanted[text]; len(list) == 0 || list[len(list)-1] != q {
					wanted[text] = append(list, q)
				}
			}
		}
	}
	for text, list := range wanted {
		query, err := search.Parse(text)
		found := map[int64]bool{}
		for part := range slices.Chunk(list, 100) {
			ids := make([]int64, len(part))
			for i, q := range part {
				ids[i] = q.change.Issue
			}
			if err != nil { // what an older release understood
				break
			}
			page, err := g.store.ListIssues(ctx, list[0].issue.OrganizationID, postgres.IssueQuery{Projects: []int64{g.project}, IDs: ids, Query: query, Limit: 100})
			if err != nil && fault.KindOf(err) != fault.Invalid {
				return err
			}
			for i := range page.Rows {
				found[page.Rows[i].ID] = true
			}
		}
		for _, q := range list {
			if q.facts.Queries == nil {
				q.facts.Queries = map[string]bool{}
			}
			q.facts.Queries[text] = found[q.change.Issue]
		}
	}
	return nil
}

// releases reads the newest releases that rules compare with.
func (g *gathering) releases(ctx context.Context) error {
	var environments, versions []string
	for _, q := range g.asked {
		before := len(environments)
		for _, e := range q.open {
			environments = append(environments, e.Needs.Latest...)
		}
		if len(environments) > before {
			versions = append(versions, q.issue.FirstRelease, q.issue.LastRelease)
		}
	}
	if len(environments) == 0 {
		return nil
	}
	slices.Sort(environments)
	latest, err := g.store.LatestReleases(ctx, g.project, slices.Compact(environments))
	if err != nil {
		return err
	}
	for _, v := range latest {
		versions = append(versions, v)
	}
	order, err := g.store.ReleaseOrder(ctx, g.project, versions)
	for _, q := range g.asked {
		q.facts.Latest, q.facts.Order = latest, order
	}
	return err
}

// events reads the event of a change, or the latest of those that were just counted.
func (g *gathering) events(ctx context.Context) error {
	for _, q := range g.asked {
		if !slices.ContainsFunc(q.open, func(e *alert.Prepared) bool { return e.Needs.Event }) {
			continue
		}
		rows, err := g.eventsOf(ctx, q)
		if err != nil {
			return err
		}
		for i := range rows {
			q.events = append(q.events, alerting.EventFacts(&rows[i]))
		}
		if len(q.events) == 0 { // it is gone already: its filters can only be false
			q.events = []*alert.EventFacts{{Level: q.change.Level, Release: q.change.Release, Environment: q.change.Environment,
				Tags: [][2]string{}, Attributes: map[string][]string{}}}
		}
	}
	return nil
}

func (g *gathering) eventsOf(ctx context.Context, q *inquiry) ([]postgres.EventRow, error) {
	if q.change.EventID == "" {
		now := time.Now()
		limit := int(min(max(q.change.Count, 1), eventsPerLook))
		return g.store.LatestEvents(ctx, g.project, q.change.Issue, now.Add(-lookBack), now.Add(time.Minute), limit)
	}
	id, err := event.ParseID(q.change.EventID)
	if err != nil {
		return nil, nil
	}
	row, err := g.store.EventOf(ctx, g.project, id)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return nil, nil
	}
	return []postgres.EventRow{row}, err
}
