package notifier

import (
	"context"
	"slices"
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
		for j := range c.Seen {
			seen := &c.Seen[j]
			changes = append(changes, &issue.Change{ID: seen.ID, Kind: issue.ChangeSeen, Project: c.Project, Issue: seen.Issue, Count: seen.Count, At: c.At, Seen: c.Seen[j : j+1]})
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
	book   *alert.Book
	memo   *alert.Memo
	facts  alert.Facts
	issue  *postgres.AlertIssue
	events []*alert.EventFacts
	open   []*alert.Prepared
}

// match finds the rules that want the changes told, and the changes it had to read more about. What a
// change and its issue say decide nearly all of the rules; the rest is read for the whole batch at once.
func (s *Service) match(ctx context.Context, changes []*issue.Change) (fired []firing, looked []*inquiry, err error) {
	books, err := s.rules.of(ctx, s.store, projectsOf(changes))
	if err != nil {
		return nil, nil, err
	}
	if looked, err = s.readIssues(ctx, inquire(changes, books)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	for _, q := range looked {
		q.memo.Forget()
		q.open = s.memory.speaking(q.book.Open(&q.facts, q.memo), q.change, now)
	}
	fired, asked := decide(fired, looked)
	for _, what := range []reading{numbers, searches, events} { // the dearest last, for rules that nothing before decided
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

// inquire picks the changes that a rule may want told, by what they say themselves.
func inquire(changes []*issue.Change, books map[int64]*alert.Book) (asked []*inquiry) {
	memos := map[int64]*alert.Memo{}
	now := time.Now()
	for _, c := range changes {
		book := books[c.Project]
		if book == nil {
			continue
		}
		if memos[c.Project] == nil {
			memos[c.Project] = book.Memo()
		}
		q := &inquiry{change: c, book: book, memo: memos[c.Project], facts: alert.Facts{Change: c, Now: now}}
		switch {
		case c.Kind != issue.ChangeSeen:
			q.memo.Forget()
			if len(book.Open(&q.facts, q.memo)) == 0 {
				continue
			}
		case !book.AsksEvents():
			continue
		case len(c.Seen) == 1:
			q.facts.Among = c.Seen[0].Tags
		}
		asked = append(asked, q)
	}
	return asked
}

// decide moves rules that are true to fired, forgets those that are false, and returns what is
// still open.
func decide(fired []firing, asked []*inquiry) ([]firing, []*inquiry) {
	var rest []*inquiry
	for _, q := range asked {
		if len(q.open) == 0 {
			continue
		}
		if fired = q.decide(fired); len(q.open) > 0 {
			rest = append(rest, q)
		}
	}
	return fired, rest
}

// decide holds the open rules against each event that the change may be about; the first that
// satisfies a rule is the one its message tells of.
func (q *inquiry) decide(fired []firing) []firing {
	events := q.events
	if len(events) == 0 {
		events = []*alert.EventFacts{nil}
	}
	open, unknown := q.open, map[*alert.Prepared]bool{}
	for _, of := range events {
		fired, open = q.hold(fired, open, of, unknown)
	}
	if len(q.events) > 0 && int64(len(q.events)) < q.change.Count && len(open) > 0 {
		q.facts.Sampled = true
		fired, open = q.hold(fired, open, nil, map[*alert.Prepared]bool{})
	}
	q.open = slices.DeleteFunc(open, func(e *alert.Prepared) bool { return !unknown[e] })
	return fired
}

// hold holds rules against one event, nil being none, and returns those that it does not satisfy; unknown
// gets those of them that ask for more.
func (q *inquiry) hold(fired []firing, open []*alert.Prepared, of *alert.EventFacts, unknown map[*alert.Prepared]bool) ([]firing, []*alert.Prepared) {
	q.facts.Event = of
	q.memo.Forget()
	var rest []*alert.Prepared
	for _, e := range open {
		switch e.EvaluateWith(&q.facts, q.memo) {
		case alert.True:
			fired = append(fired, q.fire(e.Rule, of))
			continue
		case alert.Unknown:
			unknown[e] = true
		}
		rest = append(rest, e)
	}
	return fired, rest
}

// fire makes the firing of a rule, of an event unless that is nil.
func (q *inquiry) fire(r *alert.Rule, e *alert.EventFacts) firing {
	c := q.filled
	c.Seen = nil
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
