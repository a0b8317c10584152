package view

import (
	"strconv"
	"strings"
	"time"
)

// ListPage is the issue list.
type ListPage struct {
	CanDelete     bool   // issues
	Path          string // address of the list without its query
	Here          string // address of this view, to come back to
	Action        string // where the bulk form goes
	Query         string
	QueryProblem  *QueryProblem
	Tabs          []Link
	Sorts         []Choice
	Periods       []Link // of the sparklines
	Hidden        []Choice
	Views         []SavedView
	SaveHref      string // where views are saved and deleted
	Full          string // the search with what the tab adds
	SortValue     string
	Terms         []TermChip
	People        []Choice // who issues can be given to
	Sizes         []Link   // issues on a page
	CSVHref       string
	Suggest       string // where completions come from
	HistogramHref string
	Live          string // where changes are told from
	Capped        bool   // there are more than Hits says
	Wider         *Wider
	Rows          []Row
	Hits          string
	ShowProject   bool // there are several projects
	Newer, Older  string
	Empty         Emptiness
	Start         []Project // for Emptiness NeverHadData: projects to begin with
	Reset         string    // address without any filter
}

// SavedView is a search that somebody keeps.
type SavedView struct {
	ID      string
	Name    string
	Href    string
	Current bool
	Own     bool // the reader may delete it
	Shared  bool
	First   bool // it opens first
}

// TermChip is one condition of the search, and the address of the list without it.
type TermChip struct{ Text, Without string }

// Wider is the nearest search that finds something.
type Wider struct{ Text, Href, Hits string }

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
	ID         string
	Href       string
	ShortID    string
	Project    string
	Level      Level
	Type       string
	Value      string
	Culprit    string
	Badge      Badge
	Unhandled  bool
	Assignee   string
	Priority   string
	Bookmarked bool
	Series     Series
	Events     int64
	Users      int64
	FirstSeen  time.Time
	LastSeen   time.Time
}

// ListHistogram is the events of a list over time.
type ListHistogram struct {
	Series Series
	Starts []string // of each bucket, and the end of the last
	Issues int      // counted
	Capped bool     // there may be more issues than were counted
	Back   string   // address of the list
}

// PeekPage is a short account of an issue.
type PeekPage struct {
	Row   Row
	Event *Event // nil: none is kept
	Tags  []PeekTag
}

// PeekTag is a tag with its most frequent values.
type PeekTag struct {
	Key    string
	Values []string
}

// countOf is the number that a count of hits begins with; more than one when it is capped.
func countOf(hits string) int {
	if hits == "1" {
		return 1
	}
	return 2
}

// joined is a list as an attribute holds it.
func joined(list []string) string { return strings.Join(list, " ") }

// PeekFrame is one line of a trace in short.
type PeekFrame struct{ Function, Where, Line string }

// topFrames are the newest frames of the exception that was thrown, the application's own first.
func (e *Event) topFrames(n int) (list []PeekFrame) {
	for _, inApp := range []bool{true, false} {
		for i := range e.Exceptions {
			for _, run := range e.Exceptions[i].Stack.Runs {
				for _, f := range run.Frames {
					if f.InApp == inApp && len(list) < n {
						list = append(list, f.short())
					}
				}
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return list
}

func (f *Frame) short() PeekFrame {
	s := PeekFrame{Function: f.Function, Where: f.File}
	if f.Line > 0 {
		s.Where += ":" + strconv.Itoa(f.Line)
	}
	for _, l := range f.Code {
		if l.Raised {
			for _, p := range l.Parts {
				s.Line += p.Text
			}
		}
	}
	return s
}
