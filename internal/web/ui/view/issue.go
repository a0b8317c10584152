package view

import "time"

// IssuePage is one issue with one of its events.
type IssuePage struct {
	ID         string
	ShortID    string
	Type       string
	Value      string
	Culprit    string
	Project    string
	Level      Level
	Badge      Badge
	Priority   string
	Resolved   bool
	Archived   bool
	Unhandled  bool
	Events     int64
	Users      int64
	FirstSeen  time.Time
	LastSeen   time.Time
	FirstRel   string
	LastRel    string
	Resolution string // how far a resolution reaches
	Series     Series
	Action     string // where the forms go
	Here       string // to come back to

	Event *Event // nil when no event is kept any more
	Nav   EventNav

	TagKeys      []Distribution
	Releases     []Share
	Environments []Share
	Activity     []ActivityEntry
}

// EventNav leads from an event to its neighbours; empty addresses lead nowhere.
type EventNav struct {
	Which                     string // latest, oldest, recommended, empty for one by id
	First, Older, Newer, Last string
	Recommended, JSON         string
}

// Distribution is a tag and how its values share the events.
type Distribution struct {
	Key    string
	Others int64 // values beyond those listed
	Top    []Share
}

// Share is one value's part of a whole.
type Share struct {
	Name    string
	Href    string
	Count   int64
	Percent int // 0 to 100
	Words   string
	Since   time.Time // zero: not shown
}

// NewShare computes the part of one value.
func NewShare(name, href string, count, total int64) Share {
	s := Share{Name: name, Href: href, Count: count, Words: percent(count, total)}
	if total > 0 {
		s.Percent = int(min(100, max(1, count*100/total)))
	}
	return s
}

// ActivityEntry is one thing that happened to the issue.
type ActivityEntry struct {
	Who  string
	What string
	At   time.Time
}
