package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// issueShape is an issue as lists and single answers have it.
// Rule: getsentry/sentry src/sentry/api/serializers/models/group.py
type issueShape struct {
	ID               string         `json:"id"`
	ShareID          *string        `json:"shareId"`
	ShortID          string         `json:"shortId"`
	Title            string         `json:"title"`
	Culprit          string         `json:"culprit"`
	Permalink        string         `json:"permalink"`
	Logger           *string        `json:"logger"`
	Level            string         `json:"level"`
	Status           string         `json:"status"`
	StatusDetails    object         `json:"statusDetails"`
	Substatus        *string        `json:"substatus"`
	IsPublic         bool           `json:"isPublic"`
	Platform         *string        `json:"platform"`
	Priority         *string        `json:"priority"`
	PriorityLockedAt *time.Time     `json:"priorityLockedAt"`
	Project          projectRef     `json:"project"`
	Type             string         `json:"type"`
	IssueType        string         `json:"issueType"`
	IssueCategory    string         `json:"issueCategory"`
	Metadata         event.Metadata `json:"metadata"`
	NumComments      int            `json:"numComments"`
	AssignedTo       *actor         `json:"assignedTo"`
	IsBookmarked     bool           `json:"isBookmarked"`
	IsSubscribed     bool           `json:"isSubscribed"`
	Subscription     *object        `json:"subscriptionDetails"`
	HasSeen          bool           `json:"hasSeen"`
	Annotations      []any          `json:"annotations"`
	IsUnhandled      bool           `json:"isUnhandled"`
	Count            string         `json:"count"`
	UserCount        int64          `json:"userCount"`
	FirstSeen        time.Time      `json:"firstSeen"`
	LastSeen         time.Time      `json:"lastSeen"`
	Version          int64          `json:"version"` // grows with each change by a person or rule
}

// listedShape is an issue in a list.
type listedShape struct {
	issueShape
	Stats    map[string][][2]int64 `json:"stats,omitempty"`
	Lifetime *lifetime             `json:"lifetime,omitempty"`
	Filtered *lifetime             `json:"filtered"`
}

type lifetime struct {
	Count     string    `json:"count"`
	UserCount int64     `json:"userCount"`
	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`
	Stats     object    `json:"stats"`
}

// detailShape is an issue on its own.
type detailShape struct {
	issueShape
	Activity        []activityShape       `json:"activity"`
	SeenBy          []any                 `json:"seenBy"`
	Participants    []any                 `json:"participants"`
	UserReportCount int                   `json:"userReportCount"`
	StoredCount     string                `json:"storedCount"` // of the events that count, those that smart retention kept
	FirstRelease    *object               `json:"firstRelease"`
	LastRelease     *object               `json:"lastRelease"`
	Tags            []tagShape            `json:"tags"`
	Stats           map[string][][2]int64 `json:"stats"`
	PluginActions   []any                 `json:"pluginActions"`
	PluginIssues    []any                 `json:"pluginIssues"`
	PluginContexts  []any                 `json:"pluginContexts"`
}

type projectRef struct {
	ID       string  `json:"id"`
	Slug     string  `json:"slug"`
	Name     string  `json:"name"`
	Platform *string `json:"platform"`
}

// actor is who an issue is assigned to.
type actor struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

type activityShape struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	User        *actor          `json:"user"`
	Data        json.RawMessage `json:"data"`
	DateCreated time.Time       `json:"dateCreated"`
}

// shaper turns rows into shapes; it knows the people they name.
type shaper struct {
	baseURL, org string
	people       map[int64]postgres.Person
	marks        map[int64]postgres.IssueMarks
	teams        map[string]string // names by id
}

// newShaper loads the members when any of the rows names one.
func (s *Service) newShaper(r *request, rows ...postgres.IssueRow) (*shaper, error) {
	sh := &shaper{baseURL: s.BaseURL, org: r.who.Organization.Slug}
	var err error
	if sh.marks, err = s.Store.IssueMarks(r.Context(), r.who.UserID(), rows); err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Assignee == "" && (rows[i].Resolution == nil || rows[i].Resolution.User == 0) {
			continue
		}
		members, err := s.Store.Members(r.Context(), r.org())
		if err != nil {
			return nil, err
		}
		teams, err := s.Store.Teams(r.Context(), r.org(), r.who.UserID())
		if err != nil {
			return nil, err
		}
		sh.teams = make(map[string]string, len(teams))
		for _, t := range teams {
			sh.teams[id(t.ID)] = t.Name
		}
		sh.people = make(map[int64]postgres.Person, len(members))
		for _, m := range members {
			sh.people[m.ID] = m
		}
		break
	}
	return sh, nil
}

func (sh *shaper) issue(row *postgres.IssueRow) issueShape {
	kind := row.Type
	if kind == "" {
		kind = string(event.TypeDefault)
	}
	level := row.Level.String()
	if level == "" {
		level = "unknown"
	}
	mark := sh.marks[row.ID]
	subscription := (*object)(nil)
	if mark.Subscribed != nil && *mark.Subscribed {
		subscription = &object{"reason": mark.Reason}
	}
	return issueShape{
		ID: id(row.ID), ShareID: maybe(row.ShareID), IsPublic: row.ShareID != "", ShortID: row.ShortID, Title: row.Title, Culprit: row.Culprit,
		Permalink: sh.baseURL + "/o/" + sh.org + "/issues/" + row.ShortID, Logger: maybe(row.Logger), Level: level,
		Status: row.Status.String(), StatusDetails: sh.statusDetails(row), Substatus: maybe(row.Substatus.String()),
		Platform: maybe(row.Platform), Priority: maybe(row.Priority.String()),
		Project: projectRef{ID: id(row.Project), Slug: row.ProjectSlug, Name: row.ProjectName, Platform: maybe(row.Platform)},
		Type:    kind, IssueType: "error", IssueCategory: "error", Metadata: row.Metadata, AssignedTo: sh.assignee(row.Assignee),
		PriorityLockedAt: maybeTime(row.PriorityLockedAt), NumComments: mark.Comments, HasSeen: mark.Seen, IsBookmarked: mark.Bookmarked,
		IsSubscribed: subscription != nil, Subscription: subscription, Version: row.Version, Annotations: []any{}, IsUnhandled: row.IsUnhandled, Count: id(row.TimesSeen), UserCount: row.UserCount,
		FirstSeen: utc(row.FirstSeen), LastSeen: utc(row.LastSeen),
	}
}

func (sh *shaper) statusDetails(row *postgres.IssueRow) object {
	d := object{}
	switch {
	case row.Status == issue.Resolved && row.Resolution != nil:
		switch res := row.Resolution; {
		case res.InNextRelease:
			d["inNextRelease"] = true
		case res.InCommit != "":
			d["inCommit"] = object{"id": res.InCommit, "repository": object{"name": res.Repository}}
		case res.ByAge:
			d["autoResolved"] = true
		}
		if row.Resolution.InRelease != "" {
			d["inRelease"] = row.Resolution.InRelease
		}
		if who := sh.person(row.Resolution.User); who != nil {
			d["actor"] = who
		}
	case row.Status == issue.Archived && row.Snooze != nil:
		d["ignoreUntil"], d["ignoreCount"] = maybeTime(row.Snooze.Until), maybe(row.Snooze.Count)
		d["ignoreUserCount"], d["ignoreWindow"], d["ignoreUserWindow"] = maybe(row.Snooze.UserCount), maybe(row.Snooze.Window), maybe(row.Snooze.UserWindow)
	}
	return d
}

func (sh *shaper) assignee(text string) *actor {
	if team, isTeam := strings.CutPrefix(text, "team:"); isTeam {
		if name := sh.teams[team]; name != "" {
			return &actor{Type: "team", ID: team, Name: name}
		}
		return &actor{Type: "team", ID: team, Name: "former team"}
	}
	number, found := strings.CutPrefix(text, "user:")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil {
		return nil
	}
	if a := sh.person(n); a != nil {
		return a
	}
	return &actor{Type: "user", ID: number, Name: "former member"}
}

func (sh *shaper) person(n int64) *actor {
	if p, known := sh.people[n]; known {
		return personActor(p)
	}
	return nil
}

func personActor(p postgres.Person) *actor {
	name := p.Name
	if name == "" {
		name, _, _ = strings.Cut(p.Email, "@")
	}
	return &actor{Type: "user", ID: id(p.ID), Name: name, Email: p.Email}
}

// issueRow returns the issue that the path names by id, or by short id, within the caller's
// organization.
func (s *Service) issueRow(r *request) (postgres.IssueRow, error) {
	name := r.PathValue("issue")
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		return s.Store.IssueByID(r.Context(), r.org(), n)
	}
	return s.Store.IssueByShortID(r.Context(), r.org(), name)
}

// issue answers GET of one issue.
func (s *Service) issue(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	shape, err := s.issueDetail(r, row)
	if err != nil {
		return err
	}
	return ok(w, shape)
}

func (s *Service) issueDetail(r *request, row postgres.IssueRow) (detailShape, error) {
	sh, err := s.newShaper(r, row)
	if err != nil {
		return detailShape{}, err
	}
	ctx := r.Context()
	d := detailShape{issueShape: sh.issue(&row), SeenBy: []any{}, Participants: []any{}, PluginActions: []any{}, PluginIssues: []any{}, PluginContexts: []any{},
		Tags: []tagShape{}, FirstRelease: releaseRef(row.FirstRelease), LastRelease: releaseRef(row.LastRelease)}
	if d.Activity, err = s.activityShapes(r, row); err != nil {
		return detailShape{}, err
	}
	thinned, err := s.Store.Thinned(ctx, row.Project, []int64{row.ID})
	if err != nil {
		return detailShape{}, err
	}
	d.StoredCount = id(row.TimesSeen - thinned[row.ID])
	if err := s.addPeople(r, row, &d); err != nil {
		return detailShape{}, err
	}
	collapsed := r.URL.Query()["collapse"]
	if !slices.Contains(collapsed, "tags") {
		tags, err := s.Store.IssueTags(ctx, row.Project, row.ID, "", 0)
		if err != nil {
			return detailShape{}, err
		}
		for _, t := range tags {
			d.Tags = append(d.Tags, shapeTag(t, false))
		}
	}
	if d.Stats = map[string][][2]int64{}; !slices.Contains(collapsed, "stats") {
		for _, p := range []string{"24h", "30d"} {
			series, err := s.series(r, []postgres.IssueRow{row}, statsPeriods[p])
			if err != nil {
				return detailShape{}, err
			}
			d.Stats[p] = series[row.ID]
		}
	}
	return d, nil
}

func releaseRef(version string) *object {
	if version == "" {
		return nil
	}
	_, short, found := strings.Cut(version, "@")
	if !found {
		short = version
	}
	return &object{"version": version, "shortVersion": short}
}

// activityShapes ends with the issue's first sighting, which is not stored.
func (s *Service) activityShapes(r *request, row postgres.IssueRow) ([]activityShape, error) {
	list, err := s.Store.Activities(r.Context(), row.Project, row.ID, 99)
	if err != nil {
		return nil, err
	}
	var out []activityShape
	for _, a := range list {
		if a.Type == issue.ActivityFirstSeen {
			continue
		}
		shape := activityShape{ID: id(a.ID), Type: string(a.Type), Data: a.Data, DateCreated: utc(a.CreatedAt)}
		if a.User != nil {
			shape.User = personActor(*a.User)
		}
		out = append(out, shape)
	}
	return append(out, activityShape{ID: "0", Type: string(issue.ActivityFirstSeen), DateCreated: utc(row.FirstSeen),
		Data: json.RawMessage(`{"priority":"` + row.Priority.String() + `"}`)}), nil
}

// activities answers GET …/issues/{issue}/activities/.
func (s *Service) activities(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.activityShapes(r, row)
	if err != nil {
		return err
	}
	return ok(w, object{"activity": list})
}

// shortID answers GET …/shortids/{short}/.
func (s *Service) shortID(w http.ResponseWriter, r *request) error {
	row, err := s.Store.IssueByShortID(r.Context(), r.org(), r.PathValue("short"))
	if err != nil {
		return err
	}
	sh, err := s.newShaper(r, row)
	if err != nil {
		return err
	}
	return ok(w, object{"organizationSlug": r.who.Organization.Slug, "projectSlug": row.ProjectSlug, "groupId": id(row.ID),
		"group": sh.issue(&row), "shortId": row.ShortID})
}
