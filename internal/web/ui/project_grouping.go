package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/regroup"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// versionWords tell people what a version of grouping is.
var versionWords = map[string]string{
	grouping.Newstyle2026: "the newest; numbers, ids and addresses in messages are taken for the same",
	grouping.Newstyle2023: "as before; messages are told apart more finely",
}

func (u *UI) grouping(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	g, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return err
	}
	return u.drawGrouping(v, p, g, nil, nil)
}

// drawGrouping shows the form; a problem of a rule text stands at its line.
func (u *UI) drawGrouping(v *visit, p project.Project, g grouping.Settings, cast *view.GroupingForecast, problem error) error {
	status, text, err := refused(problem)
	if err != nil && fault.KindOf(problem) == fault.TooLarge {
		status, text, err = http.StatusRequestEntityTooLarge, fault.Public(problem), nil
	}
	if err != nil {
		return err
	}
	page := view.GroupingPage{SettingsHead: u.projectHead(v, p, "grouping"), Problem: text, Forecast: cast, MayRegroup: v.principal.Scopes.Has(account.EventAdmin), Pinned: g.Pinned,
		Fingerprints: view.RuleText{Text: g.Fingerprints}, Enhancements: view.RuleText{Text: g.Enhancements}}
	for _, id := range [...]string{grouping.Newstyle2026, grouping.Newstyle2023} {
		page.Versions = append(page.Versions, view.Choice{Value: id, Label: id + ", " + versionWords[id], Current: id == g.Version()})
	}
	if g.Secondary != "" && v.base.Now.Before(g.SecondaryUntil) {
		page.Before, page.BeforeUntil = g.Secondary, g.SecondaryUntil.In(zoneOf(v)).Format("2 January 2006, 15:04 MST")
	}
	if text != "" {
		if _, err := grouping.ParseFingerprintRules(g.Fingerprints); err != nil {
			page.Fingerprints, page.Problem = ruleText(g.Fingerprints, err), ""
		}
		if _, err := grouping.ParseEnhancements(g.Enhancements); err != nil {
			page.Enhancements, page.Problem = ruleText(g.Enhancements, err), ""
		}
	}
	return v.projectSettings(status, &page.SettingsHead, "Grouping", func(pg view.Page) component { return view.Grouping(pg, page) })
}

// zoneOf is the zone that the reader reads times in.
func zoneOf(v *visit) *time.Location {
	if z := v.base.Look.Zone; z != nil {
		return z
	}
	return time.UTC
}

// ruleText is a text of rules with what is wrong with it, split where it is.
func ruleText(text string, err error) view.RuleText {
	r := view.RuleText{Text: text, Problem: fault.Public(err)}
	at, known := grouping.PositionOf(err)
	lines := strings.Split(text, "\n")
	if !known || at.Line < 1 || at.Line > len(lines) {
		return r
	}
	line := []rune(strings.TrimRight(lines[at.Line-1], "\r"))
	column := min(max(at.Column-1, 0), len(line))
	r.Line, r.Before, r.Rest = at.Line, string(line[:column]), string(line[column:])
	return r
}

// changeGrouping stores what the form says, or shows what it would have made of stored events.
func (u *UI) changeGrouping(v *visit) error {
	p, err := u.changedProject(v)
	if err != nil {
		return err
	}
	now, form := time.Now(), v.r.PostForm
	fill := func(g *grouping.Settings) error {
		if form.Get("do") == "end-transition" {
			g.Secondary, g.SecondaryUntil = "", time.Time{}
			return nil
		}
		if version := form.Get("version"); version != g.Version() {
			if _, known := grouping.ByID(version); !known {
				return fault.New(fault.Invalid, "There is no such version of grouping.")
			}
			g.Move(version, now)
			g.Pinned = version != grouping.Newest().ID
		}
		g.Fingerprints, g.Enhancements = unix(form.Get("fingerprints")), unix(form.Get("enhancements"))
		return nil
	}
	g, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return err
	}
	if err := fill(&g); err != nil {
		return u.drawGrouping(v, p, g, nil, err)
	}
	if form.Get("do") == "preview" {
		cast, err := regroup.Foresee(v.r.Context(), u.Store, p, g, regroup.MaxForecast)
		if err != nil {
			return u.drawGrouping(v, p, g, nil, err)
		}
		shown, err := u.groupingForecast(v, &cast)
		if err != nil {
			return err
		}
		return u.drawGrouping(v, p, g, shown, nil)
	}
	if err := regroup.Change(v.r.Context(), u.Store, p.ID, fill); err != nil {
		return u.drawGrouping(v, p, g, nil, err)
	}
	v.notify(view.Notice{Text: map[bool]string{true: "The version before is known no more.", false: "Saved. Events that come from now on meet the new rules."}[form.Get("do") == "end-transition"]})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/grouping"))
}

// unix is a text of a form with the line ends that files have.
func unix(text string) string {
	return strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n ")
}

// forecastShown is how many changes of issues a page lists.
const forecastShown = 20

// groupingForecast puts a forecast into words.
func (u *UI) groupingForecast(v *visit, f *regroup.Forecast) (*view.GroupingForecast, error) {
	wanted := make(map[int64]bool)
	for _, s := range f.Splits {
		wanted[s.Issue] = true
		for _, p := range s.Parts {
			wanted[p.Issue] = true
		}
	}
	for _, j := range f.Joins {
		for _, id := range j.Issues {
			wanted[id] = true
		}
	}
	names, err := u.issueNames(v, wanted)
	if err != nil {
		return nil, err
	}
	out := &view.GroupingForecast{Sentence: fmt.Sprintf("Of the last %s events %s would be in another issue: %d issues would be split, %d would flow together.",
		view.Long(int64(f.Events)), view.Long(int64(f.Moved)), len(f.Splits), f.Joined())}
	switch {
	case f.Events == 0:
		out.Sentence = "There are no events yet."
	case f.Moved == 0 && len(f.Splits) == 0 && len(f.Joins) == 0:
		out.Sentence = "None of the last " + view.Long(int64(f.Events)) + " events would be in another issue."
	}
	for _, s := range f.Splits[:min(len(f.Splits), forecastShown)] {
		r := view.Regrouped{Issues: []view.Link{names[s.Issue]}}
		for _, p := range s.Parts {
			part := view.RegroupedPart{Title: p.Title, Events: p.Events, Where: "in a new issue", Href: v.orgPath("/e/" + p.Sample.String())}
			if p.Issue == s.Issue {
				part.Where = "stay"
			} else if p.Issue != 0 {
				part.Where = "in " + names[p.Issue].Label
			}
			r.Parts = append(r.Parts, part)
		}
		out.Splits = append(out.Splits, r)
	}
	for _, j := range f.Joins[:min(len(f.Joins), forecastShown)] {
		r := view.Regrouped{Title: j.Title, Events: j.Events}
		for _, id := range j.Issues {
			r.Issues = append(r.Issues, names[id])
		}
		out.Joins = append(out.Joins, r)
	}
	return out, nil
}

// issueNames are links to issues, by their number; those that are gone are named by it.
func (u *UI) issueNames(v *visit, wanted map[int64]bool) (map[int64]view.Link, error) {
	ids := make([]int64, 0, len(wanted))
	for id := range wanted {
		if id != 0 && len(ids) < postgres.MaxChanged {
			ids = append(ids, id)
		}
	}
	rows, err := u.Store.IssuesByID(v.r.Context(), v.principal.Organization.ID, ids)
	if err != nil {
		return nil, err
	}
	names := make(map[int64]view.Link, len(rows))
	for i := range rows {
		names[rows[i].ID] = view.Link{Label: rows[i].ShortID + " " + firstLine(rows[i].Title), Href: v.orgPath("/issues/" + rows[i].ShortID)}
	}
	return names, nil
}
