package notifier

import (
	"context"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// ruleCache keeps the rules of projects until one of them changes. It is safe for concurrent use.
type ruleCache struct {
	mu    sync.Mutex
	rules map[int64]cachedRules
}

type cachedRules struct {
	revision postgres.RulesRevision
	book     *alert.Book
}

// of returns the rules of projects, read anew where they changed.
func (c *ruleCache) of(ctx context.Context, store *postgres.Store, projects []int64) (map[int64]*alert.Book, error) {
	revisions, err := store.RulesRevisions(ctx, projects)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]*alert.Book, len(projects))
	for _, p := range projects {
		revision, has := revisions[p]
		c.mu.Lock()
		have, cached := c.rules[p]
		c.mu.Unlock()
		if !has {
			continue
		}
		if !cached || have.revision != revision {
			rules, err := store.Rules(ctx, p)
			if err != nil {
				return nil, err
			}
			have = cachedRules{revision, alert.NewBook(rules)}
			c.mu.Lock()
			c.rules[p] = have
			c.mu.Unlock()
		}
		found[p] = have.book
	}
	return found, nil
}

// Alert queues the deliveries that a batch of changes causes. A change that comes again causes
// nothing new. Rejects are changes that name no project or have no id.
func (s *Service) Alert(ctx context.Context, batch []issue.Change) (rejects []bus.Reject, err error) {
	var changes []*issue.Change
	for i := range batch {
		c := &batch[i]
		if c.ID <= 0 || c.Project <= 0 {
			rejects = append(rejects, bus.Reject{Index: i, Err: fault.New(fault.Invalid, "a change has an id and a project")})
			continue
		}
		if c.Kind != issue.ChangeSeen {
			changes = append(changes, c)
			continue
		}
		for _, seen := range c.Seen {
			changes = append(changes, &issue.Change{ID: seen.ID, Kind: issue.ChangeSeen, Project: c.Project, Issue: seen.Issue, Count: seen.Count, At: c.At})
		}
	}
	fired, looked, err := s.match(ctx, changes)
	if err != nil {
		return nil, err
	}
	if err := s.plan(ctx, fired); err != nil {
		return nil, err
	}
	s.memory.note(fired, looked, time.Now())
	for _, c := range changes {
		if err := s.tellPeople(ctx, c); err != nil {
			return nil, err
		}
	}
	return rejects, nil
}

// firing is a rule that wants a change told.
type firing struct {
	rule   *alert.Rule
	change issue.Change
	org    int64
}

// inquiry is a change with the facts about it, and the rules that are still undecided.
type inquiry struct {
	change *issue.Change
	filled issue.Change // change with what the issue says now
	facts  alert.Facts
	issue  *postgres.AlertIssue
	events []*alert.EventFacts
	open   []*alert.Prepared
}

// match finds the rules that want the changes told, and the changes it had to read more about. What a
// change says itself decides nearly all of the rules; the rest is read for the whole batch at once.
func (s *Service) match(ctx context.Context, changes []*issue.Change) (fired []firing, looked []*inquiry, err error) {
	books, err := s.rules.of(ctx, s.store, projectsOf(changes))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	var asked []*inquiry
	for _, c := range changes {
		q := &inquiry{change: c, facts: alert.Facts{Change: c, Now: now}}
		book := books[c.Project]
		if book == nil {
			continue
		}
		for _, e := range book.For(c.Kind) {
			if e.Evaluate(&q.facts) != alert.False && !s.memory.silent(e.Rule, c, now) {
				q.open = append(q.open, e)
			}
		}
		if len(q.open) > 0 {
			asked = append(asked, q)
		}
	}
	if looked, err = s.readIssues(ctx, asked); err != nil {
		return nil, nil, err
	}
	fired, asked = decide(fired, looked)
	for _, what := range []reading{numbers, events} { // what numbers decide needs no events, which cost more
		if len(asked) == 0 {
			break
		}
		if err := s.gather(ctx, asked, what); err != nil {
			return nil, nil, err
		}
		fired, asked = decide(fired, asked)
	}
	return fired, looked, nil
}

// decide moves rules that are true to fired, forgets those that are false, and returns what is
// still open.
func decide(fired []firing, asked []*inquiry) ([]firing, []*inquiry) {
	var rest []*inquiry
	for _, q := range asked {
		open := q.open[:0]
		for _, e := range q.open {
			switch of, t := q.evaluate(e.Rule); t {
			case alert.True:
				fired = append(fired, q.fire(e.Rule, of))
			case alert.Unknown:
				open = append(open, e)
			}
		}
		if q.open = open; len(open) > 0 {
			rest = append(rest, q)
		}
	}
	return fired, rest
}

// evaluate holds the rule against each event that the change may be about; the first that satisfies
// it is the one the message tells of.
func (q *inquiry) evaluate(r *alert.Rule) (e *alert.EventFacts, best alert.Truth) {
	if len(q.events) == 0 {
		return nil, r.Evaluate(&q.facts)
	}
	for _, e := range q.events {
		q.facts.Event = e
		switch t := r.Evaluate(&q.facts); t {
		case alert.True:
			return e, t
		case alert.Unknown:
			best = t
		}
	}
	return nil, best
}

// fire makes the firing of a rule, of an event unless that is nil.
func (q *inquiry) fire(r *alert.Rule, e *alert.EventFacts) firing {
	c := q.filled
	if e != nil && c.EventID == "" {
		c.EventID, c.Level, c.Release, c.Environment = e.ID, e.Level, e.Release, e.Environment
	}
	return firing{r, c, q.issue.OrganizationID}
}

func projectsOf(changes []*issue.Change) []int64 {
	seen := map[int64]bool{}
	var list []int64
	for _, c := range changes {
		if !seen[c.Project] {
			seen[c.Project] = true
			list = append(list, c.Project)
		}
	}
	return list
}
