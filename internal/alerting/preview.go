package alerting

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

const (
	// PreviewSpan is how far back a preview looks.
	PreviewSpan = 14 * 24 * time.Hour
	// maxLooks bounds how many moments of the past a preview holds a rule against.
	maxLooks = 1500
	// maxEvents bounds how many events are read to find when a count was exceeded.
	maxEvents = 20_000
)

// Firing is one time that a rule would have fired.
type Firing struct {
	At      time.Time
	Issue   int64
	ShortID string
	Title   string
	Change  issue.ChangeKind
}

// Preview is what a rule would have done.
type Preview struct {
	From    time.Time
	Firings []Firing // latest first
	Partial bool     // there was more to look at than a preview does
}

// Run holds a rule against what is stored of the last fourteen days. Filters on the issue see it as
// it is now, filters on events the event of the time.
func Run(ctx context.Context, store *postgres.Store, r *alert.Rule, now time.Time) (Preview, error) {
	p := &preview{store: store, rule: *r, now: now, out: Preview{From: now.Add(-PreviewSpan)}, issues: map[int64]*postgres.AlertIssue{}, last: map[int64]time.Time{}}
	p.rule.Enabled, p.rule.Snoozed = true, false
	p.held = alert.Prepare(&p.rule)
	moments, err := store.Moments(ctx, r.Project, p.out.From, p.kinds())
	if err != nil {
		return p.out, err
	}
	slices.SortStableFunc(moments, func(a, b postgres.Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.IssueID, b.IssueID)) })
	if err := p.load(ctx, moments); err != nil {
		return p.out, err
	}
	for i := range moments {
		if err := p.look(ctx, &moments[i]); err != nil {
			return p.out, err
		}
	}
	slices.Reverse(p.out.Firings)
	return p.out, nil
}

type preview struct {
	store  *postgres.Store
	rule   alert.Rule
	held   *alert.Prepared // rule
	now    time.Time
	out    Preview
	issues map[int64]*postgres.AlertIssue
	latest map[string]string
	order  issue.Order
	found  map[string]map[int64]bool // by query
	last   map[int64]time.Time       // firing by issue
	looks  int
}

// kinds are the changes that the rule's conditions are about.
func (p *preview) kinds() map[issue.ChangeKind]bool {
	of := map[alert.Kind][]issue.ChangeKind{
		alert.KindNew: {issue.ChangeNew, issue.ChangeInEnvironment}, alert.KindNewHigh: {issue.ChangeNew}, alert.KindRegressed: {issue.ChangeRegressed},
		alert.KindReappeared: {issue.ChangeReappeared, issue.ChangeEscalating}, alert.KindEscalating: {issue.ChangeEscalating},
		alert.KindExistingHigh: {issue.ChangeEscalating, issue.ChangeReappeared, issue.ChangePriority}, alert.KindPriorityChanged: {issue.ChangePriority},
		alert.KindResolved: {issue.ChangeResolved}, alert.KindAssigned: {issue.ChangeAssigned}, alert.KindCommented: {issue.ChangeCommented},
		alert.KindNewRelease: {issue.ChangeInRelease}, alert.KindNewEnvironment: {issue.ChangeInEnvironment},
	}
	kinds := map[issue.ChangeKind]bool{issue.ChangeSeen: p.rule.AsksEvents()}
	for _, c := range p.rule.Conditions {
		for _, k := range of[c.Kind] {
			kinds[k] = true
		}
	}
	return kinds
}

// load reads the issues of the moments, which of them searches find, and the releases to compare with.
func (p *preview) load(ctx context.Context, moments []postgres.Moment) error {
	seen := map[int64]bool{}
	var keys []postgres.IssueKey
	for _, m := range moments {
		if !seen[m.IssueID] {
			seen[m.IssueID] = true
			keys = append(keys, postgres.IssueKey{Project: p.rule.Project, Issue: m.IssueID})
		}
	}
	found, err := p.store.AlertIssues(ctx, keys)
	if err != nil {
		return err
	}
	versions := []string{}
	for k, i := range found {
		p.issues[k.Issue] = i
		versions = append(versions, i.FirstRelease, i.LastRelease)
	}
	needs := p.rule.Needs()
	if len(needs.Latest) > 0 {
		if p.latest, err = p.store.LatestReleases(ctx, p.rule.Project, needs.Latest); err != nil {
			return err
		}
		if p.order, err = p.store.ReleaseOrder(ctx, p.rule.Project, versions); err != nil {
			return err
		}
	}
	p.found = map[string]map[int64]bool{}
	for _, text := range needs.Queries {
		if p.found[text], err = p.search(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (p *preview) search(ctx context.Context, text string) (map[int64]bool, error) {
	found := map[int64]bool{}
	query, err := search.Parse(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the query of a filter: %s", err.Error())
	}
	var ids []int64
	var org int64
	for id, i := range p.issues {
		ids, org = append(ids, id), i.OrganizationID
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, 100) {
		page, err := p.store.ListIssues(ctx, org, postgres.IssueQuery{Projects: []int64{p.rule.Project}, IDs: part, Query: query, Limit: 100})
		if err != nil {
			return nil, err
		}
		for i := range page.Rows {
			found[page.Rows[i].ID] = true
		}
	}
	return found, nil
}

// look holds the rule against one moment.
func (p *preview) look(ctx context.Context, m *postgres.Moment) error {
	i := p.issues[m.IssueID]
	if i == nil || p.tooSoon(m.IssueID, m.At) {
		return nil
	}
	if p.looks++; p.looks > maxLooks {
		p.out.Partial = true
		return nil
	}
	c := change(m, p.rule.Project)
	i.Fill(&c)
	c.At = m.At
	f := alert.Facts{Change: &c, Now: m.At, Issue: i.Facts(), Latest: p.latest, Order: p.order, Queries: map[string]bool{}}
	f.Issue.Status = issue.Unresolved // as it was then
	for text, ids := range p.found {
		f.Queries[text] = ids[m.IssueID]
	}
	needs := p.held.Needs
	if needs.Event {
		row, err := p.store.EventAt(ctx, p.rule.Project, m.IssueID, m.At.Add(time.Hour))
		if err != nil {
			return err
		}
		if row != nil {
			f.Event = EventFacts(row)
		}
	}
	if len(needs.Counts) > 0 && c.Kind == issue.ChangeSeen {
		return p.slide(ctx, m, &f, needs.Counts)
	}
	if p.held.Evaluate(&f) == alert.True {
		p.fire(m.At, i, c.Kind)
	}
	return nil
}

func (p *preview) tooSoon(id int64, at time.Time) bool {
	last, fired := p.last[id]
	return fired && at.Sub(last) < p.rule.Frequency
}

func (p *preview) fire(at time.Time, i *postgres.AlertIssue, kind issue.ChangeKind) {
	c := issue.Change{}
	i.Fill(&c)
	p.last[i.ID] = at
	p.out.Firings = append(p.out.Firings, Firing{At: at, Issue: i.ID, ShortID: c.ShortID, Title: i.Title, Change: kind})
}

// change is what the moment was to rules.
func change(m *postgres.Moment, project int64) issue.Change {
	kind := issue.ChangeKind(m.Kind)
	c := issue.Change{Kind: kind, Project: project, Issue: m.IssueID, At: m.At, Count: m.Count, EventID: ""}
	switch kind {
	case issue.ChangeNew:
		c.IsNew = true
	case issue.ChangeRegressed:
		c.IsRegression = true
	case issue.ChangeEscalating:
		c.HasEscalated, c.HasReappeared = true, true
	case issue.ChangeReappeared:
		c.HasReappeared = true
	case issue.ChangeInRelease:
		c.NewRelease, c.Release = true, m.Text
	case issue.ChangeInEnvironment:
		c.NewEnvironment, c.Environment = true, m.Text
	case issue.ChangePriority:
		c.BecameHigh = m.Text == "high"
	}
	return c
}

// slide moves the windows of the rule's counts over the events of one hour.
func (p *preview) slide(ctx context.Context, m *postgres.Moment, f *alert.Facts, counts []alert.Count) error {
	reach := time.Duration(0)
	for _, c := range counts {
		reach = max(reach, c.Window+c.Shift)
	}
	if reach <= time.Hour && !mayExceed(&p.rule, f.Issue) {
		return nil
	}
	end := m.At.Add(time.Hour)
	list, err := p.store.Receipts(ctx, p.rule.Project, m.IssueID, counts[0].Environment, m.At.Add(-reach), end, maxEvents)
	if err != nil {
		return err
	}
	p.out.Partial = p.out.Partial || len(list) == maxEvents
	step := max(len(list)/500, 1) // at most so many looks an hour
	for n := 0; n < len(list); n += step {
		at := list[n].ReceivedAt
		if at.Before(m.At) || p.tooSoon(m.IssueID, at) {
			continue
		}
		f.Counts = map[alert.Count]float64{}
		for _, c := range counts {
			f.Counts[c] = countIn(list[:n+1], c, at)
		}
		f.Now, f.Change.At = at, at
		if p.held.Evaluate(f) == alert.True {
			p.fire(at, p.issues[m.IssueID], issue.ChangeSeen)
		}
	}
	return nil
}

// mayExceed reports whether the issue has so many events altogether that a count can be exceeded.
func mayExceed(r *alert.Rule, i *alert.IssueFacts) bool {
	for _, c := range r.Conditions {
		if n, err := strconv.ParseFloat(c.Value, 64); c.Kind != alert.KindEvents || c.Compare || err != nil || float64(i.TimesSeen) > n {
			return true
		}
	}
	return false
}

// countIn counts in the window that ended c.Shift before at.
func countIn(list []postgres.Receipt, c alert.Count, at time.Time) float64 {
	from, to := at.Add(-c.Shift-c.Window), at.Add(-c.Shift)
	start, _ := slices.BinarySearchFunc(list, from, func(r postgres.Receipt, t time.Time) int {
		if r.ReceivedAt.After(t) {
			return 1
		}
		return -1
	})
	users := map[string]bool{}
	n := 0
	for _, r := range list[start:] {
		if r.ReceivedAt.After(to) {
			break
		}
		if n++; r.UserKey != "" {
			users[r.UserKey] = true
		}
	}
	if c.Users {
		return float64(len(users))
	}
	return float64(n)
}
