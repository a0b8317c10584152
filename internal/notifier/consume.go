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
	rules    []alert.Rule
}

// of returns the rules of projects, read anew where they changed.
func (c *ruleCache) of(ctx context.Context, store *postgres.Store, projects []int64) (map[int64][]alert.Rule, error) {
	revisions, err := store.RulesRevisions(ctx, projects)
	if err != nil {
		return nil, err
	}
	found := make(map[int64][]alert.Rule, len(projects))
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
			have = cachedRules{revision, rules}
			c.mu.Lock()
			c.rules[p] = have
			c.mu.Unlock()
		}
		found[p] = have.rules
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
	fired, err := s.match(ctx, changes)
	if err != nil {
		return nil, err
	}
	if err := s.plan(ctx, fired); err != nil {
		return nil, err
	}
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
	facts  alert.Facts
	issue  *postgres.AlertIssue
	events []*alert.EventFacts
	open   []*alert.Rule
}

// match finds the rules that want the changes told. What a change says itself decides nearly all of
// them; the rest is read for the whole batch at once.
func (s *Service) match(ctx context.Context, changes []*issue.Change) ([]firing, error) {
	rules, err := s.rules.of(ctx, s.store, projectsOf(changes))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var asked []*inquiry
	for _, c := range changes {
		q := &inquiry{change: c, facts: alert.Facts{Change: c, Now: now}}
		list := rules[c.Project]
		for i := range list {
			if list[i].Evaluate(&q.facts) != alert.False && !s.memory.silent(&list[i], c, now) {
				q.open = append(q.open, &list[i])
			}
		}
		if len(q.open) > 0 {
			asked = append(asked, q)
		}
	}
	if asked, err = s.readIssues(ctx, asked); err != nil {
		return nil, err
	}
	var fired []firing
	if fired, asked = decide(fired, asked); len(asked) == 0 {
		return s.memory.note(fired, now), nil
	}
	for _, what := range []reading{numbers, events} { // what numbers decide needs no events, which cost more
		if err := s.gather(ctx, asked, what); err != nil {
			return nil, err
		}
		if fired, asked = decide(fired, asked); len(asked) == 0 {
			break
		}
	}
	return s.memory.note(fired, now), nil
}

// decide moves rules that are true to fired, forgets those that are false, and returns what is
// still open.
func decide(fired []firing, asked []*inquiry) ([]firing, []*inquiry) {
	var rest []*inquiry
	for _, q := range asked {
		var open []*alert.Rule
		for _, r := range q.open {
			switch c, t := q.evaluate(r); t {
			case alert.True:
				fired = append(fired, firing{r, c, q.issue.OrganizationID})
			case alert.Unknown:
				open = append(open, r)
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
func (q *inquiry) evaluate(r *alert.Rule) (issue.Change, alert.Truth) {
	c := *q.change
	q.issue.Fill(&c)
	q.facts.Change = &c
	if len(q.events) == 0 {
		return c, r.Evaluate(&q.facts)
	}
	best := alert.False
	for _, e := range q.events {
		q.facts.Event = e
		t := r.Evaluate(&q.facts)
		if t == alert.True {
			if c.EventID == "" {
				c.EventID, c.Level, c.Release, c.Environment = e.ID, e.Level, e.Release, e.Environment
			}
			return c, t
		}
		if t == alert.Unknown {
			best = t
		}
	}
	return c, best
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

// maxMemory is how many recent alerts are remembered.
const maxMemory = 100_000

// memory spares rules that are limited by a frequency the work of being decided again about an issue
// they spoke of. The database has the last word; this only forgets too early, never too late.
type memory struct {
	mu    sync.Mutex
	until map[[2]int64]time.Time
}

// silent reports whether the rule spoke about the issue so lately, in another change, that events
// alone need not be looked at.
func (m *memory) silent(r *alert.Rule, c *issue.Change, now time.Time) bool {
	if r.Frequency == 0 || c.Kind != issue.ChangeSeen {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Before(m.until[[2]int64{r.ID, c.Issue}])
}

func (m *memory) note(fired []firing, now time.Time) []firing {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.until) > maxMemory {
		clear(m.until)
	}
	for i := range fired {
		if f := &fired[i]; f.rule.Frequency > 0 && f.change.Kind == issue.ChangeSeen {
			m.until[[2]int64{f.rule.ID, f.change.Issue}] = now.Add(f.rule.Frequency / 2)
		}
	}
	return fired
}
