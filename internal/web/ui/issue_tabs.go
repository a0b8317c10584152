package ui

import (
	"net/http"
	"net/url"
	"sort"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// issueTab is a page of an issue beside that of its events.
type issueTab struct{ word, label string }

var issueTabs = []issueTab{{"", "Details"}, {"events", "Events"}, {"tags", "Tags"}, {"activity", "Activity"}, {"similar", "Similar"}, {"merged", "Grouping"}, {"attachments", "Attachments"}}

// issueHead is what every page of an issue begins with; at is the word of its tab.
func (u *UI) issueHead(v *visit, row *postgres.IssueRow, people []postgres.Person, at string) view.IssueHead {
	kind, value := titleParts(row)
	href := v.orgPath("/issues/" + row.ShortID)
	h := view.IssueHead{
		ID: strconv.FormatInt(row.ID, 10), ShortID: row.ShortID, Type: kind, Value: value, Culprit: row.Culprit, Project: row.ProjectName,
		Level: view.LevelOf(row.Level), Badge: badge(row, v.base.Now), Priority: row.Priority.String(), Unhandled: row.IsUnhandled,
		Resolved: row.Status == issue.Resolved, Archived: row.Status == issue.Archived, Resolution: stateWords(row, v.base.Now),
		LastRel: row.LastRelease, Action: href, Here: v.r.URL.RequestURI(), Link: u.BaseURL + href, Unassigned: row.Assignee == "",
		Version: strconv.FormatInt(row.Version, 10), Live: v.livePath(), Count: strconv.FormatInt(row.TimesSeen, 10),
		CanWrite: v.principal.Require(account.EventWrite) == nil, CanDelete: v.principal.Scopes.Has(account.EventAdmin), Shared: row.ShareID != "",
	}
	for _, p := range people {
		name := "user:" + strconv.FormatInt(p.ID, 10)
		c := view.Choice{Value: name, Label: personName(p), Current: name == row.Assignee}
		if c.Current {
			h.Assignee = c.Label
		}
		if p.ID == v.principal.UserID() {
			c.Label += " (me)"
			h.Assignees = append([]view.Choice{c}, h.Assignees...)
			continue
		}
		h.Assignees = append(h.Assignees, c)
	}
	if h.Assignee == "" && row.Assignee != "" {
		h.Assignee = row.Assignee
	}
	for _, t := range issueTabs {
		l := view.Link{Label: t.label, Href: href, Current: t.word == at}
		if t.word != "" {
			l.Href += "/" + t.word
		}
		if t.word == "events" {
			l.Count = view.Short(row.TimesSeen)
		}
		h.Tabs = append(h.Tabs, l)
	}
	return h
}

// issueTabPage finds the issue of a tab and prepares what stands above it.
func (u *UI) issueTabPage(v *visit, at string) (of postgres.IssueHead, head view.IssueHead, err error) {
	if err = v.principal.Require(account.EventRead); err != nil {
		return of, head, err
	}
	if of, err = u.findIssueHead(v); err != nil {
		return of, head, err
	}
	v.base.Section, v.base.Keys = view.SectionIssues, view.KeysDetail
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: of.Issue.ShortID}}
	return of, u.issueHead(v, &of.Issue, of.Members, at), nil
}

// eventsPerPage is how many events a list shows: each is decoded for its title and address.
const eventsPerPage = 50

func (u *UI) issueEvents(v *visit) error {
	of, head, err := u.issueTabPage(v, "events")
	if err != nil {
		return err
	}
	row := &of.Issue
	list, err := u.Store.WalkEvents(v.r.Context(), postgres.EventWalk{Project: row.Project, Issue: row.ID, At: v.r.URL.Query().Get("at"), Limit: eventsPerPage})
	if err != nil {
		return err
	}
	page := view.EventsPage{IssueHead: head}
	at := func(place string) string {
		if place == "" {
			return ""
		}
		return v.orgPath("/issues/"+row.ShortID+"/events?at=") + url.QueryEscape(place)
	}
	page.Newer, page.Older = at(list.Newer), at(list.Older)
	for i := range list.Rows {
		r := &list.Rows[i]
		line := view.EventLine{Href: v.eventHref(row, r.ID), ID: r.ID.String(), At: r.OccurredAt, Level: view.LevelOf(r.Level),
			Title: r.Event.Metadata().Title, Release: r.Release, Environment: r.Environment, User: r.UserKey}
		if r.Event.Request != nil {
			line.URL = r.Event.Request.URL
		}
		page.Rows = append(page.Rows, line)
	}
	return v.render(http.StatusOK, "Events of "+row.ShortID, func(p view.Page) component { return view.IssueEvents(p, page) })
}

// Bounds of the page of tags.
const (
	tagValuesShown = 10
	contrastShown  = 15
	contrastLeast  = 10 // percentage points of difference worth telling
)

func (u *UI) issueTags(v *visit) error {
	of, head, err := u.issueTabPage(v, "tags")
	if err != nil {
		return err
	}
	row := &of.Issue
	tags, err := u.Store.IssueTags(v.r.Context(), row.Project, row.ID, "", tagValuesShown)
	if err != nil {
		return err
	}
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
	}
	usual, err := u.Store.ProjectTags(v.r.Context(), row.Project, keys)
	if err != nil {
		return err
	}
	page := view.TagsPage{IssueHead: head, Contrast: contrast(tags, usual, v.tagHref),
		Sample: "Those of the project are taken from the issues that were seen last, 500 at most."}
	for _, t := range tags {
		page.All = append(page.All, view.Distribution{Key: t.Key, Others: max(0, t.UniqueValues-int64(len(t.Top))), Top: shares(tags, t.Key, v.tagHref)})
	}
	return v.render(http.StatusOK, "Tags of "+row.ShortID, func(p view.Page) component { return view.IssueTags(p, page) })
}

// contrast compares the shares of values among an issue's events with those in its project, the
// largest difference first.
func contrast(tags []postgres.TagKey, usual []postgres.TagShare, href func(key, value string) string) []view.Contrast {
	type tag struct{ key, value string }
	totals, counts := make(map[string]int64), make(map[tag]int64)
	for _, u := range usual {
		totals[u.Key] += u.TimesSeen
		counts[tag{u.Key, u.Value}] += u.TimesSeen
	}
	var list []view.Contrast
	for _, t := range tags {
		for _, top := range t.Top {
			if t.TotalValues == 0 || totals[t.Key] == 0 {
				continue
			}
			c := view.Contrast{Key: t.Key, Value: top.Value, Href: href(t.Key, top.Value),
				Here: int(top.TimesSeen * 100 / t.TotalValues), Usual: int(counts[tag{t.Key, top.Value}] * 100 / totals[t.Key])}
			switch d := c.Here - c.Usual; {
			case d >= contrastLeast:
				c.Words = "+" + strconv.Itoa(d) + " points"
			case d <= -contrastLeast:
				c.Words = "−" + strconv.Itoa(-d) + " points"
			default:
				continue
			}
			list = append(list, c)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return difference(list[i]) > difference(list[j]) })
	return list[:min(len(list), contrastShown)]
}

func difference(c view.Contrast) int { return max(c.Here-c.Usual, c.Usual-c.Here) }

func (u *UI) issueActivity(v *visit) error {
	of, head, err := u.issueTabPage(v, "activity")
	if err != nil {
		return err
	}
	row := &of.Issue
	list, err := u.Store.Activities(v.r.Context(), row.Project, row.ID, 100)
	if err != nil {
		return err
	}
	page := view.ActivityPage{IssueHead: head, History: u.historyOf(v, row, list, of.Members)}
	return v.render(http.StatusOK, "Activity of "+row.ShortID, func(p view.Page) component { return view.IssueActivity(p, page) })
}

func (u *UI) issueFiles(v *visit) error {
	of, head, err := u.issueTabPage(v, "attachments")
	if err != nil {
		return err
	}
	row := &of.Issue
	list, err := u.Store.IssueAttachments(v.r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	page := view.FilesPage{IssueHead: head}
	for i := range list {
		f := v.file(row.Project, &list[i])
		f.Event = v.eventHref(row, list[i].Event)
		page.Files = append(page.Files, f)
	}
	return v.render(http.StatusOK, "Attachments of "+row.ShortID, func(p view.Page) component { return view.IssueFiles(p, page) })
}
