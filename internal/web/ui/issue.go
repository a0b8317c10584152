package ui

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
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
	row      postgres.IssueRow
	event    *postgres.EventView // nil: none is kept any more
	files    []postgres.AttachmentRow
	words    []postgres.FeedbackRow
	tags     []postgres.TagKey
	activity []postgres.Activity
	series   []int64
	from     time.Time // of the first bucket of series
	newer    int       // events of the issue, up to postgres.MaxEventRank
	people   []postgres.Person
	suspects []release.Suspect
	owner    view.OwnerFact
	marks    postgres.IssueMarks
}

// seriesDays is how far back the chart of an issue goes.
const seriesDays = 30

func (u *UI) readIssue(v *visit, row postgres.IssueRow, which postgres.EventSelector) (*issueData, error) {
	g, ctx := errgroup.WithContext(v.r.Context())
	d := &issueData{row: row, from: v.base.Now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-seriesDays)}
	g.Go(func() error {
		found, err := u.Store.IssueEvent(ctx, row.Project, row.ID, which)
		if err == nil {
			u.Symbols.Refresh(ctx, found.Event)
			d.event = &found
			if err = u.readBeside(ctx, d); err == nil {
				err = u.readOwner(ctx, d)
			}
			if err == nil {
				d.newer, err = u.Store.EventRank(ctx, row.Project, row.ID, found.ReceivedAt, found.Event.ID)
			}
		} else if fault.KindOf(err) == fault.Unknown && which.Which != postgres.EventByID {
			err = nil
		}
		return err
	})
	g.Go(func() (err error) {
		d.tags, err = u.Store.IssueTags(ctx, row.Project, row.ID, "", topValues)
		return err
	})
	g.Go(func() (err error) {
		if row.FirstRelease == "" {
			return nil
		}
		d.suspects, err = u.Store.IssueSuspects(ctx, v.principal.Organization.ID, row.Project, row.ID, row.FirstRelease)
		if fault.KindOf(err) == fault.Unknown { // its events may be past the retention
			err = nil
		}
		return err
	})
	g.Go(func() error {
		marks, err := u.Store.IssueMarks(ctx, v.principal.UserID(), []postgres.IssueRow{row})
		d.marks = marks[row.ID]
		return err
	})
	g.Go(func() (err error) {
		if d.people, err = u.Store.Members(ctx, v.principal.Organization.ID); err != nil {
			return err
		}
		if d.activity, err = u.Store.Activities(ctx, row.Project, row.ID, activityShown); err != nil {
			return err
		}
		series, err := u.Store.IssueSeries(ctx, map[int64][]int64{row.Project: {row.ID}}, d.from, 24*time.Hour, seriesDays)
		d.series = series[row.ID]
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
	row, err := u.findIssue(v)
	if err != nil {
		return err
	}
	if name := v.param("issue"); name != row.ShortID { // another spelling, or the number of the API
		return v.redirect(strings.Replace(v.r.URL.RequestURI(), "/issues/"+url.PathEscape(name), "/issues/"+row.ShortID, 1))
	}
	d, err := u.readIssue(v, row, which)
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
	ctx, org, name := v.r.Context(), v.principal.Organization.ID, v.param("issue")
	var row postgres.IssueRow
	id, err := strconv.ParseInt(name, 10, 64)
	if err == nil {
		row, err = u.Store.IssueByID(ctx, org, id)
	} else {
		row, err = u.Store.IssueByShortID(ctx, org, name)
	}
	if fault.KindOf(err) == fault.Unknown && err != nil {
		err = fault.New(fault.Unknown, "There is no issue of this name, or it is not for you.")
	}
	return row, err
}

func (u *UI) issuePage(v *visit, d *issueData, word string) view.IssuePage {
	row := &d.row
	page := view.IssuePage{
		IssueHead: u.issueHead(v, row, d.people, ""), Events: row.TimesSeen, Users: row.UserCount, FirstSeen: row.FirstSeen, LastSeen: row.LastSeen,
		FirstRel: row.FirstRelease, FirstRelHref: v.releaseHref(row.ProjectSlug, row.FirstRelease), LastRelHref: v.releaseHref(row.ProjectSlug, row.LastRelease),
	}
	page.Bookmarked, page.Subscribed = d.marks.Bookmarked, d.marks.Subscribed != nil && *d.marks.Subscribed
	page.Series = view.Series{Counts: d.series, Unit: "day"}
	if len(d.series) != seriesDays {
		page.Series.Counts = make([]int64, seriesDays)
	}
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
	page.TagKeys = distributions(d.tags, v.tagHref)
	for i := range page.TagKeys {
		page.TagKeys[i].Href = v.orgPath("/issues/"+row.ShortID) + "/tags"
	}
	page.Releases, page.Environments = shares(d.tags, "release", v.tagHref), shares(d.tags, "environment", v.tagHref)
	for i := range page.Releases {
		if page.Releases[i].Name == row.FirstRelease {
			page.Releases[i].Mark = "first"
		}
	}
	page.History = u.historyOf(v, row, d.activity, d.people)
	page.Suspects, page.Owner = suspects(d.suspects), d.owner
	return page
}

// eventOptions is how the event is drawn: as the address and the reader's last choices have it.
func (u *UI) eventOptions(v *visit, d *issueData) view.EventOptions {
	q := v.r.URL.Query()
	return view.EventOptions{
		ReceivedAt: d.event.ReceivedAt, TagHref: v.tagHref, Look: u.stackLook(v), Open: q["open"], Thread: q.Get("thread"),
		Href: v.eventHref(&d.row, d.event.Event.ID),
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
	switch total := max(d.row.TimesSeen, int64(d.newer)+1); {
	case d.newer >= postgres.MaxEventRank:
		n.Rank = "an older one of " + view.Long(total)
	default:
		n.Rank = "event " + view.Long(total-int64(d.newer)) + " of " + view.Long(total)
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
