package notifier

import (
	"context"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

const (
	// eventsPerLook is how many of the events that were just counted filters are held against.
	eventsPerLook = 50
	// lookBack is where the events just counted lie at most.
	lookBack = 10 * time.Minute
	// issuesPerRead is of how many issues events are in memory at once.
	issuesPerRead = 10
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
	numbers  reading = iota
	searches         // and releases
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
		steps := map[reading][]func(context.Context) error{numbers: {g.counts}, searches: {g.queries, g.releases}, events: {g.events}}
		for _, step := range steps[what] {
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

// events reads the events that changes are about, and the latest of those that were just counted.
func (g *gathering) events(ctx context.Context) error {
	var told, looks []*inquiry
	for _, q := range g.asked {
		switch {
		case !slices.ContainsFunc(q.open, func(e *alert.Prepared) bool { return e.Needs.Event }):
		case q.change.EventID != "":
			told = append(told, q)
		default:
			looks = append(looks, q)
		}
	}
	for part := range slices.Chunk(told, issuesPerRead) {
		if err := g.toldEvents(ctx, part); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(looks, issuesPerRead) {
		if err := g.countedEvents(ctx, part); err != nil {
			return err
		}
	}
	for _, q := range append(told, looks...) {
		if len(q.events) == 0 { // it is gone already: its filters can only be false
			q.events = []*alert.EventFacts{{Level: q.change.Level, Release: q.change.Release, Environment: q.change.Environment,
				Tags: [][2]string{}, Attributes: map[string][]string{}}}
		}
	}
	return nil
}

// toldEvents reads the events that changes name.
func (g *gathering) toldEvents(ctx context.Context, asked []*inquiry) error {
	var ids []event.ID
	for _, q := range asked {
		if id, err := event.ParseID(q.change.EventID); err == nil {
			ids = append(ids, id)
		}
	}
	rows, err := g.store.EventsOf(ctx, g.project, ids)
	if err != nil {
		return err
	}
	for _, q := range asked {
		if id, err := event.ParseID(q.change.EventID); err == nil {
			if row, found := rows[id]; found {
				q.events = []*alert.EventFacts{alerting.EventFacts(&row)}
			}
		}
	}
	return nil
}

// countedEvents reads the latest events of issues that got some.
func (g *gathering) countedEvents(ctx context.Context, asked []*inquiry) error {
	issues, limits := make([]issue.ID, len(asked)), make([]int64, len(asked))
	for i, q := range asked {
		issues[i], limits[i] = q.change.Issue, min(max(q.change.Count, 1), eventsPerLook)
	}
	now := time.Now()
	rows, err := g.store.LatestEvents(ctx, g.project, issues, limits, now.Add(-lookBack), now.Add(time.Minute))
	if err != nil {
		return err
	}
	for _, q := range asked {
		list := rows[q.change.Issue]
		for i := range list[:min(len(list), int(min(max(q.change.Count, 1), eventsPerLook)))] {
			q.events = append(q.events, alerting.EventFacts(&list[i]))
		}
	}
	return nil
}
