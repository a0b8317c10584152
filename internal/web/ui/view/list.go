package view

import "time"

// ListPage is the issue list.
type ListPage struct {
	Path         string // address of the list without its query
	Here         string // address of this view, to come back to
	Action       string // where the bulk form goes
	Query        string
	QueryProblem *QueryProblem
	Tabs         []Link
	Sorts        []Choice
	Periods      []Link // of the sparklines
	Hidden       []Choice
	Rows         []Row
	Hits         string
	ShowProject  bool // there are several projects
	Newer, Older string
	Empty        Emptiness
	Start        []Project // for Emptiness NeverHadData: projects to begin with
	Reset        string    // address without any filter
}

// QueryProblem says where a search stopped making sense.
type QueryProblem struct {
	Before, Rest string // the text around the place
	Text         string
}

// Emptiness says why a list is empty.
type Emptiness string

// The kinds of empty list.
const (
	NotEmpty       Emptiness = ""
	NeverHadData   Emptiness = "never"
	NothingMatches Emptiness = "nothing"
	AllDone        Emptiness = "done"
)

// Row is an issue in the list.
type Row struct {
	ID        string
	Href      string
	ShortID   string
	Project   string
	Level     Level
	Type      string
	Value     string
	Culprit   string
	Badge     Badge
	Unhandled bool
	Series    Series
	Events    int64
	Users     int64
	FirstSeen time.Time
	LastSeen  time.Time
}
