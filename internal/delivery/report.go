package delivery

import (
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// composeReport puts a week into words: a line for each project, and its issues with most events.
func composeReport(n *alert.Notice) Message {
	r, org := n.Report, Line(n.Change.ProjectName, 100)
	var events, fresh int64
	for i := range r.Projects {
		events, fresh = events+r.Projects[i].Events, fresh+r.Projects[i].New
	}
	page := n.BaseURL + "/o/" + n.Change.Org + "/issues"
	m := Message{
		What: "Weekly report of " + org + ", " + r.From.UTC().Format("2 January") + " to " + r.To.UTC().Format("2 January 2006"), Title: Counted(events, "event") + ", " + Counted(fresh, "new issue"),
		TitleURL: page, At: r.To, Level: "info", Color: colors["info"], Project: org,
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		m.Items = append(m.Items, Item{Title: Line(p.Name, 100), URL: page + "?project=" + p.Slug, Text: week(p)})
		for _, t := range p.Top {
			text := Counted(t.Events, "event")
			if t.New {
				text += ", new"
			}
			m.Items = append(m.Items, Item{Title: Line(t.ShortID+" "+t.Title, maxFact), URL: n.PageOf(t.ShortID), Text: text})
		}
	}
	if r.More > 0 {
		m.Text = fmt.Sprintf("The %d projects with most events are listed; %d more had some.", len(r.Projects), r.More)
	}
	m.Footer = []Fact{{"Organization", org, n.BaseURL + "/o/" + n.Change.Org + "/issues"}, {"Mail", "what I want to hear of", n.BaseURL + "/account/notifications"}}
	m.Subject = Line(m.What+": "+m.Title, maxTitle)
	return m
}

// week is a project's week in a line.
func week(p *alert.ProjectWeek) string {
	parts := []string{Counted(p.Events, "event") + trend(p.Events, p.Before)}
	for _, c := range []struct {
		n    int64
		word string
	}{{p.New, "new"}, {p.Regressed, "regressed"}, {p.Resolved, "resolved"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return strings.Join(parts, " · ")
}

// trend compares a week with the one before.
func trend(now, before int64) string {
	switch {
	case now == before:
		return " (as the week before)"
	case before == 0:
		return " (none the week before)"
	case now > before:
		return fmt.Sprintf(" (%d %% more than the week before)", max((now-before)*100/before, 1))
	}
	return fmt.Sprintf(" (%d %% less than the week before)", max((before-now)*100/before, 1))
}
