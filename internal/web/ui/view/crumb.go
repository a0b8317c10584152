package view

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Crumb is one thing that happened before the event.
type Crumb struct {
	At       time.Time
	Offset   string // to the event
	Category string
	Type     string // http, navigation, ui, query …; empty: unknown
	Level    Level
	Message  string
	Data     []Field
	Error    bool // the event itself, at the end of the trail
}

// kind is what filters of the trail tell crumbs apart by.
func (c *Crumb) kind() string {
	switch c.Type {
	case "", "default", "debug", "info":
	default:
		return c.Type
	}
	kind, _, _ := strings.Cut(c.Category, ".")
	return first(kind, "other")
}

// crumbIcons are the icons of kinds.
var crumbIcons = map[string]string{
	"http": "request", "xhr": "request", "fetch": "request", "request": "request", "navigation": "newer", "ui": "pointer", "user": "account", "query": "database",
	"console": "terminal", "error": "issues", "exception": "issues",
}

func (c *Crumb) icon() string {
	if c.Error {
		return "raise"
	}
	return first(crumbIcons[c.kind()], "dot")
}

// shownCrumbs is how many of the newest crumbs are open; the older ones unfold.
const shownCrumbs = 15

// breadcrumbs prepares the trail, oldest first, with the event at its end.
func breadcrumbs(vs *values, ev *event.Event) []Crumb {
	if len(ev.Breadcrumbs) == 0 {
		return nil
	}
	list := make([]Crumb, 0, len(ev.Breadcrumbs)+1)
	for i := range ev.Breadcrumbs {
		b := &ev.Breadcrumbs[i]
		c := Crumb{At: b.Timestamp, Category: first(b.Category, b.Type), Message: b.Message, Type: b.Type,
			Data: vs.fields("breadcrumbs.values."+Long0(i)+".data", b.Data)}
		if c.Level = LevelOf(b.Level); b.Level == 0 {
			c.Level = LevelOf(event.LevelInfo)
		}
		if !b.Timestamp.IsZero() && !ev.Timestamp.IsZero() {
			c.Offset = offset(ev.Timestamp, b.Timestamp)
		}
		list = append(list, c)
	}
	m := ev.Metadata()
	return append(list, Crumb{At: ev.Timestamp, Offset: "0 s", Category: first(m.Type, "event"),
		Level: LevelOf(ev.Level), Message: first(m.Value, m.Title), Error: true})
}
