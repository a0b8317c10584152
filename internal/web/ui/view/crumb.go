package view

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Crumb is one thing that happened before the event.
type Crumb struct {
	At       time.Time
	Offset   string // to the event
	Category string
	Level    Level
	Message  string
	Data     []Field
	Error    bool // the event itself, at the end of the trail
}

// shownCrumbs is how many of the newest crumbs are open; the older ones unfold.
const shownCrumbs = 15

// breadcrumbs prepares the trail, oldest first, with the event at its end.
func breadcrumbs(ev *event.Event) []Crumb {
	if len(ev.Breadcrumbs) == 0 {
		return nil
	}
	list := make([]Crumb, 0, len(ev.Breadcrumbs)+1)
	for i := range ev.Breadcrumbs {
		b := &ev.Breadcrumbs[i]
		c := Crumb{At: b.Timestamp, Category: first(b.Category, b.Type), Message: b.Message, Data: fields(b.Data)}
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
