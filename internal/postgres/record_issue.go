package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// sighted is an issue that the batch has events of.
type sighted struct {
	issueRow
	isNew   bool
	state   issue.State
	records []*Record // in order of receipt
	names   projectNames
	owners  []string // whom ownership rules name
	window  windowCounts
	lost    bool // its project does not exist
}

// issueRow is the part of a row of issues that recording reads or writes.
type issueRow struct {
	Project     int64
	ID          int64
	Number      int64
	Type        string
	Level       event.Level
	Platform    string
	Logger      string
	Title       string
	Culprit     string
	Metadata    []byte
	Status      issue.Status
	Substatus   issue.Substatus
	Priority    issue.Priority
	IsUnhandled bool
	FirstSeen   time.Time
	LastSeen    time.Time
	TimesSeen   int64
	UserCount   int64
	LastRelease string
	Assignee    string
	Resolution  *issue.Resolution
	Snooze      *issue.Snooze
	StatusAt    *time.Time
	Version     int64
	Locked      bool
	Initial     issue.Priority
}

func (r *recording) collectIssues(rows pgx.Rows) error {
	var hash []byte
	var row issueRow
	_, err := pgx.ForEachRow(rows, []any{&hash, &row.Project, &row.ID, &row.Number, &row.Type, &row.Level, &row.Platform, &row.Logger,
		&row.Title, &row.Culprit, &row.Metadata, &row.Status, &row.Substatus, &row.Priority, &row.IsUnhandled, &row.FirstSeen, &row.LastSeen,
		&row.TimesSeen, &row.UserCount, &row.LastRelease, &row.Assignee, &row.Resolution, &row.Snooze, &row.StatusAt, &row.Version, &row.Locked, &row.Initial}, func() error {
		ref := issueRef{row.Project, row.ID}
		s := r.issues[ref]
		if s == nil {
			s = &sighted{issueRow: row}
			s.state = issue.State{Status: row.Status, Substatus: row.Substatus, Resolution: row.Resolution, Snooze: row.Snooze,
				Priority: row.Priority, Initial: row.Initial, Locked: row.Locked, Assignee: row.Assignee, FirstSeen: row.FirstSeen, TimesSeen: row.TimesSeen, UserCount: row.UserCount}
			if row.StatusAt != nil {
				s.state.StatusAt = *row.StatusAt
			}
			r.issues[ref] = s
		}
		r.byHash[hashRef{row.Project, [16]byte(hash)}] = s
		row = issueRow{} // pointers and slices of the next row are its own
		return nil
	})
	return err
}

// assign gives each new event its issue: the first of its hashes that is known decides, then the
// first of its former ones; an event none of whose hashes is known makes an issue. Hashes that are
// still unknown join the issue, former ones only when it is made.
func (r *recording) assign() {
	for _, rec := range r.fresh {
		s, claimed := r.known(rec), rec.Hashes
		if s == discarded {
			r.drop(rec)
			continue
		}
		if s == nil {
			s = newIssue(rec)
			r.issues[issueRef{rec.Project, s.ID}] = s
			claimed = slices.Concat(rec.Hashes, rec.FormerHashes)
		}
		for _, h := range claimed {
			ref := hashRef{rec.Project, h}
			if r.byHash[ref] == nil && !r.discard[ref] {
				r.byHash[ref] = s
				r.claims = append(r.claims, claim{ref, s.ID})
			}
		}
		s.records = append(s.records, rec)
	}
}

// known is the issue that an event belongs to: nil when none of its hashes has one, discarded when
// the first that is known was.
// Rule: getsentry/sentry src/sentry/event_manager.py (get_hashes_and_grouphashes)
func (r *recording) known(rec *Record) *sighted {
	for _, list := range [...][][16]byte{rec.Hashes, rec.FormerHashes} {
		for _, h := range list {
			ref := hashRef{rec.Project, h}
			if r.discard[ref] {
				return discarded
			}
			if s := r.byHash[ref]; s != nil {
				return s
			}
		}
	}
	return nil
}

func newIssue(rec *Record) *sighted {
	s := &sighted{isNew: true, issueRow: issueRow{Project: rec.Project, ID: NewID(), Type: string(rec.Type),
		FirstSeen: rec.OccurredAt, LastSeen: rec.OccurredAt, Version: 1}}
	s.state = issue.State{Status: issue.Unresolved, Substatus: issue.New, Priority: issue.PriorityOf(rec.Level), Initial: issue.PriorityOf(rec.Level),
		FirstSeen: rec.OccurredAt}
	return s
}

type projectNames struct{ slug, name, org string }

const (
	sqlInsertHashes = `
		insert into issue_hashes (project_id, hash, issue_id)
		select * from unnest(@projects::bigint[], @hashes::bytea[], @issues::bigint[])
		on conflict do nothing`

	// Projects are locked in order, once for all the batch's new issues.
	sqlNumberIssues = `
		with locked as (
			select p.id, w.n from projects p join unnest(@projects::bigint[], @counts::bigint[]) as w(id, n) on w.id = p.id
			order by p.id for update of p)
		update projects p set issue_count = issue_count + l.n from locked l where p.id = l.id
		returning p.id, p.issue_count`

	sqlProjectNames = `
		select p.id, p.slug, p.name, o.slug from projects p join organizations o on o.id = p.organization_id
		where p.id = any(@projects::bigint[])`

	// The newest releases of each project, and those that resolutions and events name.
	sqlReleaseOrder = `
		select p.id, r.version, r.first_seen, true
		from unnest(@projects::bigint[]) as p(id) cross join lateral (
			select version, coalesce(released_at, created_at) as first_seen from releases where project_id = p.id
			order by coalesce(released_at, created_at) desc limit 10) as r
		union all
		select project_id, version, coalesce(released_at, created_at), false from releases
		where project_id = any(@projects::bigint[]) and version = any(@versions::text[])`
)

// prepare claims unknown hashes, numbers new issues, and reads what decisions need. Batches that
// only add to unresolved issues, which are nearly all, need none of it.
func (r *recording) prepare(ctx context.Context, tx pgx.Tx, st *Store) error {
	b := &pgx.Batch{}
	r.queueHashes(b)
	r.queueNumbers(b)
	r.queueNames(b)
	r.queueReleases(b)
	r.queueWindows(b)
	r.queueOwnership(b, st)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// claim is a hash that gets an issue.
type claim struct {
	hashRef
	issue int64
}

// queueHashes claims the hashes that were unknown. When another process claims one of them first,
// its issue is the one: the attempt ends with errRace.
func (r *recording) queueHashes(b *pgx.Batch) {
	if len(r.claims) == 0 {
		return
	}
	slices.SortFunc(r.claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.project, b.project), bytes.Compare(a.hash[:], b.hash[:]))
	})
	projects, hashes, issues := make([]int64, len(r.claims)), make([][]byte, len(r.claims)), make([]int64, len(r.claims))
	for i := range r.claims {
		projects[i], hashes[i], issues[i] = r.claims[i].project, r.claims[i].hash[:], r.claims[i].issue
	}
	b.Queue(sqlInsertHashes, pgx.StrictNamedArgs{"projects": projects, "hashes": hashes, "issues": issues}).
		Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() < int64(len(projects)) {
				return errRace
			}
			return nil
		})
}

// queueNumbers gives new issues their numbers, in the order in which they were made. New issues of
// a project that does not exist are lost.
func (r *recording) queueNumbers(b *pgx.Batch) {
	made := make(map[int64][]*sighted)
	for _, s := range r.issues {
		if s.isNew {
			s.lost = true
			made[s.Project] = append(made[s.Project], s)
		}
	}
	if len(made) == 0 {
		return
	}
	projects := slices.Sorted(maps.Keys(made))
	counts := make([]int64, len(projects))
	for i, p := range projects {
		counts[i] = int64(len(made[p]))
	}
	b.Queue(sqlNumberIssues, pgx.StrictNamedArgs{"projects": projects, "counts": counts}).Query(func(rows pgx.Rows) error {
		var id, last int64
		_, err := pgx.ForEachRow(rows, []any{&id, &last}, func() error {
			list := made[id]
			slices.SortFunc(list, func(a, b *sighted) int { return cmp.Compare(a.ID, b.ID) })
			for i, s := range list {
				s.Number, s.lost = last-int64(len(list)-1-i), false
			}
			return nil
		})
		return err
	})
}

// queueNames reads what alerts call the projects in which something may change.
func (r *recording) queueNames(b *pgx.Batch) {
	eventful := make(map[int64]bool)
	for _, s := range r.issues {
		if len(s.records) > 0 && s.state.Status != issue.Unresolved || s.isNew {
			eventful[s.Project] = true
		}
	}
	if len(eventful) == 0 {
		return
	}
	b.Queue(sqlProjectNames, pgx.StrictNamedArgs{"projects": slices.Collect(maps.Keys(eventful))}).Query(func(rows pgx.Rows) error {
		found := make(map[int64]projectNames)
		var id int64
		var names projectNames
		_, err := pgx.ForEachRow(rows, []any{&id, &names.slug, &names.name, &names.org}, func() error {
			found[id] = names
			return nil
		})
		for _, s := range r.issues {
			s.names = found[s.Project]
		}
		return err
	})
}

// queueReleases reads how the releases follow each other in projects where a resolution names one.
func (r *recording) queueReleases(b *pgx.Batch) {
	versions := make(map[int64][]string)
	for _, s := range r.issues {
		res := s.state.Resolution
		if s.state.Status != issue.Resolved || res == nil || len(s.records) == 0 {
			continue
		}
		versions[s.Project] = append(versions[s.Project], res.InRelease, res.AfterRelease)
		for _, rec := range s.records {
			versions[s.Project] = append(versions[s.Project], rec.Release)
		}
	}
	if len(versions) == 0 {
		return
	}
	projects := slices.Sorted(maps.Keys(versions))
	b.Queue(sqlReleaseOrder, pgx.StrictNamedArgs{"projects": projects, "versions": slices.Concat(slices.Collect(maps.Values(versions))...)}).
		Query(func(rows pgx.Rows) error { return r.collectReleases(rows, projects) })
}

func (r *recording) collectReleases(rows pgx.Rows, projects []int64) error {
	newest, all := make(map[int64][]release.Seen), make(map[int64][]release.Seen)
	var id int64
	var seen release.Seen
	var isNewest bool
	_, err := pgx.ForEachRow(rows, []any{&id, &seen.Version, &seen.FirstSeen, &isNewest}, func() error {
		if all[id] = append(all[id], seen); isNewest {
			newest[id] = append(newest[id], seen)
		}
		return nil
	})
	r.order = make(map[int64]issue.Order, len(projects))
	for _, p := range projects {
		r.order[p] = issue.Order(release.Order(all[p], newest[p]))
	}
	return err
}

// decide counts the new events into their issues, one after the other as they were received, and
// takes each issue through its states.
func (r *recording) decide() {
	for _, ref := range slices.SortedFunc(maps.Keys(r.issues), func(a, b issueRef) int {
		return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.id, b.id))
	}) {
		s := r.issues[ref]
		if s.lost {
			for _, rec := range s.records {
				r.done.Dropped++
				r.count(rec, outcome.Invalid, outcome.ReasonProjectID)
			}
			s.records = nil
			continue
		}
		f := r.facts[s.Project]
		if f == nil && len(s.records) > 0 {
			f = newFacts()
			r.facts[s.Project] = f
		}
		for i, rec := range s.records {
			lastSeen, lastRelease, changes := s.LastSeen, s.LastRelease, len(r.changes)
			r.sight(s, rec)
			thinned := r.without[rec] && len(r.changes) == changes && rec.Thinning.thins(s, rec, lastSeen, lastRelease)
			if r.keep(rec, !thinned); thinned {
				r.done.Thinned++
			}
			f.add(s.ID, rec, s.isNew && i == 0, thinned)
			r.count(rec, outcome.Accepted, "")
			r.done.Stored++
		}
	}
	r.done.Changes = len(r.changes)
}

// sight folds one event into its issue.
func (r *recording) sight(s *sighted, rec *Record) {
	s.TimesSeen++
	s.state.TimesSeen = s.TimesSeen
	if rec.OccurredAt.Before(s.FirstSeen) {
		s.FirstSeen = rec.OccurredAt
	}
	if first := s.isNew && s.TimesSeen == 1; first || !rec.OccurredAt.Before(s.LastSeen) {
		s.LastSeen, s.Level, s.Platform, s.Logger = rec.OccurredAt, rec.Level, rec.Platform, rec.Logger
		s.Title, s.Culprit, s.IsUnhandled = rec.Title, rec.Culprit, rec.Unhandled
		s.Metadata, _ = json.Marshal(rec.Metadata) // texts only
		if rec.Release != "" {
			s.LastRelease = rec.Release
		}
	}
	e := issue.Sighting{At: rec.ReceivedAt, EventID: rec.ID.String(), Release: rec.Release}
	e.WindowCount, e.WindowUsers = s.window.with(rec)
	next, step := issue.Sight(s.state, e, r.order[s.Project])
	s.state = next
	if s.isNew && s.TimesSeen == 1 {
		step.Activities = append(step.Activities, r.assignOwner(s, rec)...)
	}
	if s.isNew && s.TimesSeen == 1 {
		step.Change, step.Flags = issue.ChangeNew, issue.Flags{IsNew: true, NewRelease: rec.Release != "", NewEnvironment: rec.Environment != "",
			BecameHigh: s.state.Priority == issue.High}
	}
	for _, act := range step.Activities {
		r.acts = append(r.acts, activityRow{project: s.Project, id: NewID(), issue: s.ID, Activity: act})
		s.Version++
	}
	if step.Change != "" {
		r.changes = append(r.changes, s.change(step, rec))
	}
}

// change is what rules are asked about.
func (s *sighted) change(step issue.Step, rec *Record) issue.Change {
	return issue.Change{
		ID: NewID(), Kind: step.Change, Flags: step.Flags, Project: s.Project, ProjectSlug: s.names.slug, ProjectName: s.names.name, Org: s.names.org,
		Issue: s.ID, ShortID: project.ShortID(s.names.slug, s.Number), Title: rec.Title, Culprit: rec.Culprit, Type: string(rec.Type),
		Level: rec.Level.String(), Platform: rec.Platform, Logger: rec.Logger, Release: rec.Release, Environment: rec.Environment,
		Status: s.state.Status.String(), Substatus: s.state.Substatus.String(), Priority: s.state.Priority.String(), Assignee: s.state.Assignee, Owners: s.owners,
		EventID: rec.ID.String(), FirstSeen: s.FirstSeen, LastSeen: s.LastSeen, TimesSeen: s.TimesSeen, UserCount: s.UserCount, At: rec.ReceivedAt,
	}
}

type activityRow struct {
	project, id, issue int64
	issue.Activity
}
