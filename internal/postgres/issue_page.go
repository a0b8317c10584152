package postgres

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/ownership"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// IssueHead is an issue with what every page of it needs beside it.
type IssueHead struct {
	Issue   IssueRow
	Project project.Project
	Members []Person // of the organization, as Members lists them
}

// The issue that a short id means may have been merged into another, and that one again.
const (
	sqlIssueHeadPart = `
		select ` + issueFields + `, (select json_agg(m) from (` + sqlMembers + `) as m) as members,
			json_build_object('id', p.id, 'organization_id', p.organization_id, 'organization', o.slug, 'slug', p.slug, 'name', p.name, 'platform', p.platform,
				'settings', p.settings, 'first_event_at', p.first_event_at, 'created_at', p.created_at) as project
		from projects p join organizations o on o.id = p.organization_id cross join lateral (`

	sqlIssueHeadEndPart = `
			) as n join issues i on i.project_id = p.id and i.id = coalesce((select id from issues where project_id = p.id and id = n.id),
				(select target_id from issue_redirects where project_id = p.id and issue_id = n.id))
		where p.organization_id = @org and p.deleted_at is null`

	sqlIssueByName = sqlIssueHeadPart + `
		select id from issues where project_id = p.id and number = @number
		union all select target_id from issue_redirects where project_id = p.id and number = @number limit 1` + sqlIssueHeadEndPart + `
			and p.id = coalesce((select id from projects where organization_id = @org and slug = @slug and deleted_at is null),
				(select project_id from project_redirects where organization_id = @org and slug = @slug))`

	sqlIssueByNumericID = sqlIssueHeadPart + `select @id::bigint as id` + sqlIssueHeadEndPart
)

type issueHeadRow struct {
	listedIssue
	Members []personDocument
	Project projectDocument
}

type personDocument struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type projectDocument struct {
	ID             int64           `json:"id"`
	OrganizationID int64           `json:"organization_id"`
	Organization   string          `json:"organization"`
	Slug           string          `json:"slug"`
	Name           string          `json:"name"`
	Platform       string          `json:"platform"`
	Settings       json.RawMessage `json:"settings"`
	FirstEventAt   *time.Time      `json:"first_event_at"`
	CreatedAt      time.Time       `json:"created_at"`
}

// IssueNamed returns the issue of an organization that an address names: as people do,
// "CHECKOUT-1F2" in any case, or by its number. fault.Unknown: it has none of that name, or it is out
// of reach of whom ctx says is asking.
func (st *Store) IssueNamed(ctx context.Context, org int64, name string) (IssueHead, error) {
	sql, args := sqlIssueByNumericID, pgx.StrictNamedArgs{"org": org}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		args["id"] = id
	} else if slug, number, ok := project.ParseShortID(name); ok {
		sql, args["slug"], args["number"] = sqlIssueByName, slug, number
	} else {
		return IssueHead{}, errNoResource()
	}
	rows, _ := st.db.Query(ctx, sql, args)
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[issueHeadRow])
	if err != nil {
		return IssueHead{}, translate(err, "The requested resource does not exist")
	}
	if who := account.PrincipalFrom(ctx); who != nil && !who.Sees(found.ProjectID) {
		return IssueHead{}, errNoResource()
	}
	h := IssueHead{Members: make([]Person, len(found.Members))}
	for i, p := range found.Members {
		h.Members[i] = Person(p)
	}
	p := found.Project
	h.Project, err = projectRow{ID: p.ID, OrganizationID: p.OrganizationID, Organization: p.Organization, Slug: p.Slug, Name: p.Name, Platform: p.Platform,
		Settings: p.Settings, FirstEventAt: p.FirstEventAt, CreatedAt: p.CreatedAt}.project()
	if err == nil {
		h.Issue, err = found.row(h.Project)
	}
	return h, err
}

// IssueBeside is what the page of an issue shows beside an event.
type IssueBeside struct {
	Tags       []TagKey   // as IssueTags lists them
	Activities []Activity // newest first
	Series     []int64    // as IssueSeries counts them
	Marks      IssueMarks
	Ownership  ownership.Settings // of the project
	Awaited    bool               // an alert of it goes on to others unless somebody acts
}

// IssueBesideQuery is how much of it is read.
type IssueBesideQuery struct {
	TopValues  int       // of a tag
	Activities int       // at most 100
	From       time.Time // of the series, from the start of an hour
	Step       time.Duration
	Steps      int
	Reader     int64 // whose marks; 0: nobody's
}

const sqlIssueBeside = `
	select coalesce((select json_agg(t) from (` + sqlIssueTags + `) as t), '[]') as tags,
		coalesce((select json_agg(a) from (` + sqlActivities + `) as a), '[]') as activities,
		coalesce((select json_agg(s) from (` + sqlIssueSeries + `) as s), '[]') as hours,
		(select to_json(m) from (` + sqlIssueMarks + `) as m) as marks,
		(select to_json(o) from (` + sqlOwnership + `) as o) as ownership,
		exists (select from alert_escalations e where e.project_id = @project and e.issue_id = @issue and e.ended_at is null
			and not exists (select from alert_acknowledgements a where a.project_id = @project and a.issue_id = @issue and a.created_at >= e.fired_at)
			and not exists (select from activities a where a.project_id = @project and a.issue_id = @issue and a.user_id is not null and a.created_at >= e.fired_at)
		) as awaited`

type issueBesideRow struct {
	Tags       []tagDocument
	Activities []activityDocument
	Hours      []hourDocument
	Marks      marksDocument
	Ownership  *ownershipDocument
	Awaited    bool
}

type tagDocument struct {
	Key       string    `json:"key"`
	Unique    int64     `json:"unique_values"`
	Total     int64     `json:"total"`
	Value     *string   `json:"value"` // null: none is asked for
	TimesSeen int64     `json:"times_seen"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

type activityDocument struct {
	ID        int64              `json:"id"`
	Type      issue.ActivityType `json:"type"`
	Data      json.RawMessage    `json:"data"`
	CreatedAt time.Time          `json:"created_at"`
	UserID    int64              `json:"user_id"`
	UserName  string             `json:"user_name"`
	UserEmail string             `json:"user_email"`
}

type hourDocument struct {
	IssueID   int64     `json:"issue_id"`
	Hour      time.Time `json:"hour"`
	TimesSeen int64     `json:"times_seen"`
}

type marksDocument struct {
	Comments   int    `json:"comments"`
	Seen       bool   `json:"seen"`
	Bookmarked bool   `json:"bookmarked"`
	Subscribed *bool  `json:"is_subscribed"`
	Reason     string `json:"reason"`
}

type ownershipDocument struct {
	Raw            string                   `json:"raw"`
	CodeOwners     string                   `json:"codeowners"`
	Actors         map[string]string        `json:"actors"`
	Fallthrough    bool                     `json:"fallthrough"`
	AutoAssignment ownership.AutoAssignment `json:"auto_assignment"`
	CreatedAt      time.Time                `json:"created_at"`
	UpdatedAt      time.Time                `json:"updated_at"`
}

// IssueBeside reads in one go what the page of an issue shows beside an event.
func (st *Store) IssueBeside(ctx context.Context, project, issueID int64, q IssueBesideQuery) (b IssueBeside, err error) {
	var found issueBesideRow
	err = st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, sqlIssueBeside, pgx.StrictNamedArgs{"project": project, "issue": issueID, "key": "", "top": min(q.TopValues, maxTagValues),
			"limit": min(q.Activities, 100), "projects": []int64{project}, "ids": []int64{issueID}, "from": q.From, "until": q.From.Add(time.Duration(q.Steps) * q.Step),
			"user": q.Reader})
		found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[issueBesideRow])
		return err
	})
	b.Tags, b.Series = tagKeys(found.Tags), make([]int64, q.Steps)
	for _, h := range found.Hours {
		b.Series[min(int(h.Hour.Sub(q.From)/q.Step), q.Steps-1)] += h.TimesSeen
	}
	for _, a := range found.Activities {
		b.Activities = append(b.Activities, a.activity())
	}
	b.Marks, b.Awaited = IssueMarks(found.Marks), found.Awaited
	b.Ownership = noOwnership
	if o := found.Ownership; o != nil {
		b.Ownership = ownership.Settings(*o)
	}
	return b, translate(err, "read what is beside issue %d", issueID)
}

// tagKeys gathers the values of each tag.
func tagKeys(list []tagDocument) (keys []TagKey) {
	for _, t := range list {
		if n := len(keys); n == 0 || keys[n-1].Key != t.Key {
			keys = append(keys, TagKey{Key: t.Key, TotalValues: t.Total, UniqueValues: t.Unique})
		}
		if t.Value != nil {
			k := &keys[len(keys)-1]
			k.Top = append(k.Top, TagValue{Key: t.Key, Value: *t.Value, TimesSeen: t.TimesSeen, FirstSeen: t.FirstSeen, LastSeen: t.LastSeen})
		}
	}
	return keys
}

func (d activityDocument) activity() Activity {
	a := Activity{ID: d.ID, Type: d.Type, Data: d.Data, CreatedAt: d.CreatedAt}
	if d.UserID != 0 {
		a.User = &Person{ID: d.UserID, Name: d.UserName, Email: d.UserEmail}
	}
	return a
}
