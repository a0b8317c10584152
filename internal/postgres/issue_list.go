package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// What one page of a list may hold.
const (
	defaultLimit = 25
	maxLimit     = 100
)

func clampLimit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// sortColumns is what each order sorts by, and the type of its parameter.
var sortColumns = map[IssueSort]string{
	SortLastSeen: "i.last_seen", SortFirstSeen: "i.first_seen", SortEvents: "i.times_seen", SortUsers: "i.user_count",
	SortPriority: "i.priority",
}

// issueFields are the columns of listedIssue, from issues i.
const issueFields = `i.id, i.project_id, i.number, i.type, i.title, i.culprit, i.platform, i.logger, i.level, i.metadata,
	i.status, i.substatus, i.priority, i.is_unhandled, i.first_seen, i.last_seen, i.times_seen, i.user_count,
	i.first_release, i.last_release, i.assignee, i.version, i.resolution, i.snooze, i.status_at, i.priority_locked_at, i.initial_priority, i.share_id`

type listedIssue struct {
	ID           int64
	ProjectID    int64
	Number       int64
	Type         string
	Title        string
	Culprit      string
	Platform     string
	Logger       string
	Level        int16
	Metadata     []byte
	Status       issue.Status
	Substatus    issue.Substatus
	Priority     issue.Priority
	IsUnhandled  bool
	FirstSeen    time.Time
	LastSeen     time.Time
	TimesSeen    int64
	UserCount    int64
	FirstRelease *string
	LastRelease  *string
	Assignee     *string
	Version      int64
	Resolution   *issue.Resolution
	Snooze       *issue.Snooze
	StatusAt     *time.Time

	PriorityLockedAt *time.Time
	InitialPriority  issue.Priority
	ShareID          *string

	Hits int // of the whole list; only lists have it
}

func (r *listedIssue) row(p project.Project) (IssueRow, error) {
	out := IssueRow{ID: r.ID, Project: r.ProjectID, ProjectSlug: p.Slug, ProjectName: p.Name, ShortID: project.ShortID(p.Slug, r.Number),
		Number: r.Number, Type: r.Type, Title: r.Title, Culprit: r.Culprit, Platform: r.Platform, Logger: r.Logger,
		Level: event.Level(r.Level), Status: r.Status, Substatus: r.Substatus, Priority: r.Priority, IsUnhandled: r.IsUnhandled,
		FirstSeen: r.FirstSeen, LastSeen: r.LastSeen, TimesSeen: r.TimesSeen, UserCount: r.UserCount,
		FirstRelease: text(r.FirstRelease), LastRelease: text(r.LastRelease), Assignee: text(r.Assignee),
		Version: r.Version, Resolution: r.Resolution, Snooze: r.Snooze, StatusAt: r.StatusAt,
		PriorityLockedAt: r.PriorityLockedAt, InitialPriority: r.InitialPriority, ShareID: text(r.ShareID)}
	if err := json.Unmarshal(r.Metadata, &out.Metadata); err != nil {
		return out, fault.Wrap(err, fault.Internal, "the metadata of issue %d cannot be read", r.ID)
	}
	return out, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// collectIssueRows reads rows of issueFields, and of hits, and names their projects.
func collectIssueRows(rows pgx.Rows, projects []project.Project) (list []IssueRow, hits int, err error) {
	found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[listedIssue])
	if err != nil {
		return nil, 0, err
	}
	byID := make(map[int64]project.Project, len(projects))
	for _, p := range projects {
		byID[p.ID] = p
	}
	list = make([]IssueRow, len(found))
	for i := range found {
		hits = found[i].Hits
		if list[i], err = found[i].row(byID[found[i].ProjectID]); err != nil {
			return nil, 0, err
		}
	}
	return list, hits, nil
}

// ListIssues returns one page of an organization's issues. fault.Invalid: the cursor, or a value
// of the search. fault.Unavailable: the search took too long.
func (st *Store) ListIssues(ctx context.Context, org int64, q IssueQuery) (IssuePage, error) {
	if q.Sort == "" {
		q.Sort = SortLastSeen
	}
	column, known := sortColumns[q.Sort]
	if !known {
		return IssuePage{}, fault.New(fault.Invalid, "unknown sort %.40q", string(q.Sort))
	}
	q.Limit = clampLimit(q.Limit)
	from, given, err := parseCursor(q.Cursor)
	if err != nil {
		return IssuePage{}, err
	}
	projects := q.Within
	if projects == nil {
		if projects, err = st.Projects(ctx, org); err != nil {
			return IssuePage{}, err
		}
	}
	c, err := st.conditions(ctx, org, q, projects)
	if err != nil {
		return IssuePage{}, err
	}
	c.uncounted = q.Uncounted
	var page IssuePage
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, hits, err := c.page(ctx, tx, column, from, given, q.Limit)
		if err != nil {
			return err
		}
		var links pageLinks
		page.Rows, links = paged(rows, q.Limit, from, given, q.Sort.place)
		page.Prev, page.Next, page.HasPrev, page.HasNext = links.Prev, links.Next, links.HasPrev, links.HasNext
		if len(rows) == 0 && given && !q.Uncounted { // the page could not tell
			hits, err = c.hits(ctx, tx)
		}
		page.Hits, page.HitsCapped = min(hits, HitsMax), hits > HitsMax
		return err
	})
	return page, translate(err, "list the issues of organization %d", org)
}

const sqlReleaseActivity = `
	select project_id, version, last_seen, times_seen from releases
	where project_id = any(@projects::bigint[]) order by first_seen desc, version limit 10000`

// conditions is conditionsAt now.
func (st *Store) conditions(ctx context.Context, org int64, q IssueQuery, projects []project.Project) (*conditions, error) {
	return st.conditionsAt(ctx, org, q, projects, time.Now())
}

// conditionsAt is newConditions with what it needs to know of releases.
func (st *Store) conditionsAt(ctx context.Context, org int64, q IssueQuery, projects []project.Project, now time.Time) (*conditions, error) {
	return st.conditionsOf(ctx, org, q, projects, versionFields(q.Query), now)
}

// conditionsOf is conditionsAt that is told whether releases are asked about.
func (st *Store) conditionsOf(ctx context.Context, org int64, q IssueQuery, projects []project.Project, versions bool, now time.Time) (*conditions, error) {
	if !versions {
		return newConditions(org, q, projects, nil, now)
	}
	ids := (&conditions{projects: projects}).projectIDs()
	rows, _ := st.db.Query(ctx, sqlReleaseActivity, pgx.StrictNamedArgs{"projects": ids})
	byProject := make(map[int64][]release.Activity)
	var id int64
	var a release.Activity
	_, err := pgx.ForEachRow(rows, []any{&id, &a.Version, &a.LastSeen, &a.TimesSeen}, func() error {
		byProject[id] = append(byProject[id], a)
		return nil
	})
	if err != nil {
		return nil, translate(err, "read the releases of organization %d", org)
	}
	var all []release.Activity
	for _, list := range byProject {
		release.Share(list, now)
		all = append(all, list...)
	}
	return newConditions(org, q, projects, all, now)
}

// place is where a row stands in the order: the value sorted by, and the id.
func (s IssueSort) place(r IssueRow) (value, id int64) {
	switch s {
	case SortFirstSeen:
		return r.FirstSeen.UnixMicro(), r.ID
	case SortEvents:
		return r.TimesSeen, r.ID
	case SortUsers:
		return r.UserCount, r.ID
	case SortPriority:
		return int64(r.Priority), r.ID
	}
	return r.LastSeen.UnixMicro(), r.ID
}

// selection finds the places of issues in each project and status that remain, which is how the
// indexes are laid out: each pair is one walk of an index. %[1]s is the column sorted by, %[2]s the
// conditions, %[3]s how each walk ends.
const selection = `select i.project_id, i.id, i.place from unnest(@projects::bigint[]) as p(id) cross join unnest(@statuses::smallint[]) as s(status)
	cross join lateral (select i.project_id, i.id, %[1]s as place from issues i where i.project_id = p.id and i.status = s.status %[2]s %[3]s) as i`

// countedWalks is how many walks of an index may go on to HitsMax: for that many, a first page is
// counted while it is found.
const countedWalks = 4

// page reads one row more than limit. hits is how many rows the conditions hold for, up to one
// more than HitsMax; it is not known of an empty page that is not the first.
func (c *conditions) page(ctx context.Context, tx pgx.Tx, column string, from cursor, given bool, limit int) (list []IssueRow, hits int, err error) {
	if err := c.narrow(ctx, tx); err != nil || len(c.projects) == 0 {
		return nil, 0, err
	}
	order, compare := " desc", " < "
	if from.back {
		order, compare = "", " > "
	}
	where := c.conditionText()
	count := "0"
	c.args["limit"], c.args["walk"], c.args["most"] = limit+1, limit+1, HitsMax+1
	switch {
	case c.uncounted:
	case !given && len(c.projects)*len(c.statusList()) <= countedWalks:
		count, c.args["walk"] = "(select count(*) from w)", HitsMax+1
	default:
		count = "(select count(*) from (" + fmt.Sprintf(selection, "1", where, "limit @most") + " limit @most) as hits)"
	}
	if given {
		var value any = from.value
		if column == "i.last_seen" || column == "i.first_seen" {
			value = time.UnixMicro(from.value)
		}
		where += " and (" + column + ", i.id)" + compare + "(" + c.arg(value) + ", " + c.arg(from.id) + ")"
	}
	sorted := "order by place" + order + ", i.id" + order + " limit "
	sql := "with w as materialized (" + fmt.Sprintf(selection, column, where, sorted+"@walk") + " " + sorted + "@walk) select " + issueFields +
		", " + count + " as hits from (select * from w i " + sorted + "@limit) as w" +
		" join issues i on i.project_id = w.project_id and i.id = w.id order by w.place" + order + ", i.id" + order
	rows, err := c.run(ctx, tx, sql)
	if err != nil {
		return nil, 0, err
	}
	return collectIssueRows(rows, c.projects)
}

// hits counts what the conditions hold for, up to one more than HitsMax.
func (c *conditions) hits(ctx context.Context, tx pgx.Tx) (n int, err error) {
	if len(c.projects) == 0 {
		return 0, nil
	}
	c.args["limit"] = HitsMax + 1
	rows, err := c.run(ctx, tx, "select count(*) from ("+fmt.Sprintf(selection, "1", c.conditionText(), "limit @limit")+" limit @limit) as hits")
	if err != nil {
		return 0, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
}

func (c *conditions) conditionText() string {
	if len(c.where) == 0 {
		return ""
	}
	return " and " + strings.Join(c.where, " and ")
}

func (c *conditions) run(ctx context.Context, tx pgx.Tx, sql string) (pgx.Rows, error) {
	c.args["projects"], c.args["statuses"] = c.projectIDs(), c.statusList()
	return tx.Query(ctx, sql, pgx.QueryExecModeCacheDescribe, c.args)
}

// ids runs a statement over the conditions whose rows are ids.
func (c *conditions) ids(ctx context.Context, st *Store, sql func() string) (ids []int64, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		if err := c.narrow(ctx, tx); err != nil {
			return err
		}
		rows, err := c.run(ctx, tx, sql())
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return ids, err
}

const sqlIssueSeries = `
	select h.issue_id, h.hour, h.times_seen
	from unnest(@projects::bigint[], @ids::bigint[]) as w(project_id, issue_id)
	join issue_hours h on h.project_id = w.project_id and h.issue_id = w.issue_id
	where h.hour >= @from and h.hour < @until`

// IssueSeries counts the events of issues, given by project, in n steps from a moment on. Counts
// are kept by the hour: step is whole hours, and from the start of one.
func (st *Store) IssueSeries(ctx context.Context, issues map[int64][]int64, from time.Time, step time.Duration, n int) (map[int64][]int64, error) {
	var projects, ids []int64
	series := make(map[int64][]int64)
	for p, list := range issues {
		for _, id := range list {
			projects, ids = append(projects, p), append(ids, id)
			series[id] = make([]int64, n)
		}
	}
	rows, err := st.db.Query(ctx, sqlIssueSeries, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "from": from, "until": from.Add(time.Duration(n) * step)})
	if err == nil {
		var id, count int64
		var hour time.Time
		_, err = pgx.ForEachRow(rows, []any{&id, &hour, &count}, func() error {
			series[id][min(int(hour.Sub(from)/step), n-1)] += count
			return nil
		})
	}
	return series, translate(err, "read the event counts of %d issues", len(ids))
}

const sqlRowFacts = `
	select w.issue_id, p.bookmarked_at is not null as bookmarked, coalesce(h.hours, '{}') as hours, coalesce(h.counts, '{}') as counts
	from unnest(@projects::bigint[], @ids::bigint[]) as w(project_id, issue_id)
		left join issue_people p on p.project_id = w.project_id and p.issue_id = w.issue_id and p.user_id = @user
		left join lateral (select array_agg(hour) as hours, array_agg(times_seen) as counts from issue_hours h
			where h.project_id = w.project_id and h.issue_id = w.issue_id and h.hour >= @from and h.hour < @until) as h on true`

// RowFacts is what a list shows of an issue beside its row.
type RowFacts struct {
	Bookmarked bool    // by the reader
	Series     []int64 // events, as IssueSeries counts them
}

// RowFacts reads what a list shows a user beside rows, by issue.
func (st *Store) RowFacts(ctx context.Context, list []IssueRow, user int64, from time.Time, step time.Duration, n int) (map[int64]RowFacts, error) {
	projects, ids := make([]int64, len(list)), make([]int64, len(list))
	for i := range list {
		projects[i], ids[i] = list[i].Project, list[i].ID
	}
	facts := make(map[int64]RowFacts, len(list))
	if len(list) == 0 {
		return facts, nil
	}
	rows, _ := st.db.Query(ctx, sqlRowFacts, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "user": user, "from": from, "until": from.Add(time.Duration(n) * step)})
	var id int64
	var bookmarked bool
	var hours []time.Time
	var counts []int64
	_, err := pgx.ForEachRow(rows, []any{&id, &bookmarked, &hours, &counts}, func() error {
		f := RowFacts{Bookmarked: bookmarked, Series: make([]int64, n)}
		for i, hour := range hours {
			f.Series[min(int(hour.Sub(from)/step), n-1)] += counts[i]
		}
		facts[id] = f
		return nil
	})
	return facts, translate(err, "read what is beside %d issues", len(list))
}
