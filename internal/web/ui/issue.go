package ui

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// What the facts beside an event show.
const (
	topValues     = 4  // of a tag
	topTags       = 12 // tags
	activityShown = 50
)

// issueData is what the issue page shows, read side by side.
type issueData struct {
	postgres.IssueHead
	event    *postgres.EventView // nil: none is kept any more
	beside   postgres.EventBeside
	issue    postgres.IssueBeside
	from     time.Time // of the first bucket of the series
	suspects []release.Suspect
}

// seriesDays is how far back the chart of an issue goes.
const seriesDays = 30

func (u *UI) readIssue(v *visit, head postgres.IssueHead, which postgres.EventSelector) (*issueData, error) {
	g, ctx := errgroup.WithContext(v.r.Context())
	d := &issueData{IssueHead: head, from: v.base.Now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-seriesDays)}
	row := &d.Issue
	g.Go(func() error {
		found, err := u.Store.ChosenEvent(ctx, row.Project, row.ID, which)
		if fault.KindOf(err) == fault.Unknown && err != nil && which.Which != postgres.EventByID {
			return nil
		}
		if err != nil {
			return err
		}
		if d.beside, err = u.Store.EventBeside(ctx, &found, which.Environments); err != nil {
			return err
		}
		u.Symbols.RefreshAt(ctx, found.Event, d.beside.Revision)
		d.event = &found
		if row.FirstRelease != "" {
			d.suspects, err = u.Store.SuspectCommits(ctx, v.principal.Organization.ID, row.Project, row.FirstRelease, postgres.SuspectFrames(found.Event))
		}
		return err
	})
	g.Go(func() (err error) {
		d.issue, err = u.Store.IssueBeside(ctx, row.Project, row.ID, postgres.IssueBesideQuery{TopValues: topValues, Activities: activityShown,
			From: d.from, Step: 24 * time.Hour, Steps: seriesDays, Reader: v.principal.UserID()})
		return err
	})
	return d, g.Wait()
}

func (u *UI) issue(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	word := v.param("event")
	which, err := selector(word)
	if err != nil {
		return err
	}
	head, err := u.findIssueHead(v)
	if err != nil {
		return err
	}
	row := &head.Issue
	if name := v.param("issue"); name != row.ShortID { // another spelling, or the number of the API
		return v.redirect(strings.Replace(v.r.URL.RequestURI(), "/issues/"+url.PathEscape(name), "/issues/"+row.ShortID, 1))
	}
	d, err := u.readIssue(v, head, which)
	if err != nil {
		return err
	}
	page := u.issuePage(v, d, word)
	v.base.Section, v.base.Keys = view.SectionIssues, view.KeysDetail
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: row.ShortID}}
	return v.render(http.StatusOK, row.ShortID+" "+row.Title, func(p view.Page) component { return view.Issue(p, page) })
}

// findIssue finds the issue that the path names by its short id or its number.
func (u *UI) findIssue(v *visit) (postgres.IssueRow, error) {
	head, err := u.findIssueHead(v)
	return head.Issue, err
}

// findIssueHead is findIssue with what every page of an issue shows.
func (u *UI) findIssueHead(v *visit) (postgres.IssueHead, error) {
	head, err := u.Store.IssueNamed(v.r.Context(), v.principal.Organization.ID, v.param("issue"))
	if fault.KindOf(err) == fault.Unknown && err != nil {
		err = fault.New(fault.Unknown, "There is no issue of this name, or it is not for you.")
	}
	return head, err
}

func (u *UI) issuePage(v *visit, d *issueData, word string) view.IssuePage {
	row := &d.Issue
	page := view.IssuePage{
		IssueHead: u.issueHead(v, row, d.Members, ""), Events: row.TimesSeen, Users: row.UserCount, FirstSeen: row.FirstSeen, LastSeen: row.LastSeen,
		FirstRel: row.FirstRelease, FirstRelHref: v.releaseHref(row.ProjectSlug, row.FirstRelease), LastRelHref: v.releaseHref(row.ProjectSlug, row.LastRelease),
	}
	marks := d.issue.Marks
	page.Awaited = d.issue.Awaited
	page.Bookmarked, page.Subscribed = marks.Bookmarked, marks.Subscribed != nil && *marks.Subscribed
	page.Series = view.Series{Counts: d.issue.Series, Unit: "day"}
	for i := range page.Series.Counts {
		page.Series.Labels = append(page.Series.Labels, d.from.AddDate(0, 0, i).Format("2 Jan"))
	}
	if d.event != nil {
		page.Event = view.NewEvent(d.event.Event, u.eventOptions(v, d))
		for i := range page.Event.Tags {
			t := &page.Event.Tags[i]
			t.Without = v.searchHref("!" + searchTerm(t.Key, t.Value))
		}
		page.Event.Others = v.othersOf(d.event.Event.User)
		v.showBeside(page.Event, d)
		page.Nav = eventNav(d, v.orgPath("/issues/"+row.ShortID), word)
		page.Older, page.Newer, page.Markdown = page.Nav.Older, page.Nav.Newer, v.eventHref(row, d.event.Event.ID)+"/markdown"
		page.Link = u.BaseURL + v.eventHref(row, d.event.Event.ID)
		if hasScripts(d.event.Event) {
			page.Event.Doctor = v.eventHref(row, d.event.Event.ID) + "/source-maps"
		}
	}
	page.TagKeys = distributions(d.issue.Tags, v.tagHref)
	for i := range page.TagKeys {
		page.TagKeys[i].Href = v.orgPath("/issues/"+row.ShortID) + "/tags"
	}
	page.Releases, page.Environments = shares(d.issue.Tags, "release", v.tagHref), shares(d.issue.Tags, "environment", v.tagHref)
	for i := range page.Releases {
		if page.Releases[i].Name == row.FirstRelease {
			page.Releases[i].Mark = "first"
		}
	}
	page.History = u.historyOf(v, row, d.issue.Activities, d.Members)
	page.Suspects = suspects(d.suspects)
	if d.event != nil {
		page.Owner = ownerOf(&d.issue.Ownership, d.event.Event)
	}
	return page
}

// eventOptions is how the event is drawn: as the address and the reader's last choices have it.
func (u *UI) eventOptions(v *visit, d *issueData) view.EventOptions {
	q := v.r.URL.Query()
	return view.EventOptions{
		ReceivedAt: d.event.ReceivedAt, TagHref: v.tagHref, Look: u.stackLook(v), Open: q["open"], Thread: q.Get("thread"),
		Href: v.eventHref(&d.Issue, d.event.Event.ID),
		With: func(name, value string) string {
			changed := maps.Clone(q)
			if changed == nil {
				changed = make(url.Values)
			}
			changed.Set(name, value)
			return v.r.URL.EscapedPath() + "?" + changed.Encode()
		},
	}
}

// othersOf is the address of the other issues of a user; empty when nobody knows who it was.
func (v *visit) othersOf(u *event.User) string {
	kind, value, ok := strings.Cut(u.Key(), ":")
	if !ok {
		return ""
	}
	return v.searchHref(searchTerm("user."+kind, value))
}

func eventNav(d *issueData, href, word string) view.EventNav {
	e := d.event
	at := func(id event.ID) string {
		if id.IsZero() || id == e.Event.ID {
			return ""
		}
		return href + "/events/" + id.String()
	}
	n := view.EventNav{
		Which: word, First: at(e.First), Older: at(e.Prev), Newer: at(e.Next), Last: at(e.Last),
		Recommended: href, JSON: href + "/events/" + e.Event.ID.String() + "/json", All: href + "/events",
	}
	switch total := max(d.Issue.TimesSeen, int64(d.beside.Newer)+1); {
	case d.beside.Newer >= postgres.MaxEventRank:
		n.Rank = "an older one of " + view.Long(total)
	default:
		n.Rank = "event " + view.Long(total-int64(d.beside.Newer)) + " of " + view.Long(total)
	}
	if word == "" {
		n.Which = "recommended"
	}
	if len(n.Which) >= 32 {
		n.Which = ""
	}
	return n
}

// shares is how the values of one tag share an issue's events.
func shares(tags []postgres.TagKey, key string, href func(key, value string) string) []view.Share {
	var list []view.Share
	for _, t := range tags {
		if t.Key != key {
			continue
		}
		for _, top := range t.Top {
			list = append(list, view.NewShare(top.Value, href(key, top.Value), top.TimesSeen, t.TotalValues))
		}
	}
	return list
}

// plainTags are tags that the facts leave out.
var plainTags = map[string]bool{
	"level": true, "release": true, "environment": true, // stand elsewhere
	"browser.name": true, "os.name": true, "runtime.name": true, "device.family": true, // repeat another tag
}

func distributions(tags []postgres.TagKey, href func(key, value string) string) []view.Distribution {
	var list []view.Distribution
	for _, t := range tags {
		if plainTags[t.Key] || len(list) == topTags {
			continue
		}
		list = append(list, view.Distribution{Key: t.Key, Others: max(0, t.UniqueValues-int64(len(t.Top))), Top: shares(tags, t.Key, href)})
	}
	return list
}
