package view

import (
	"time"

	"github.com/a-h/templ"
)

// IssueHead is what every page of an issue has above it.
type IssueHead struct {
	ID         string
	ShortID    string
	Type       string
	Value      string
	Culprit    string
	Project    string
	Level      Level
	Badge      Badge
	Priority   string // low, medium, high
	Resolved   bool
	Archived   bool
	Unhandled  bool
	Resolution string // how far a resolution reaches
	LastRel    string // newest release it was seen in
	Action     string // where the forms go
	Here       string // to come back to
	Version    string // of the state that the reader sees
	Awaited    bool   // an alert of it goes on to others unless somebody acts
	Live       string // where changes are told from
	Count      string // of its events, as the reader sees them
	Link       string // whole address, for copying
	Markdown   string // address of the issue as Markdown; empty: no event is kept
	Assignees  []Choice
	Unassigned bool
	Assignee   string // who has it, in words
	Tabs       []Link
	CanWrite   bool
	Older      string // address of the next event, for keys
	Newer      string
	Bookmarked bool
	Subscribed bool
	Shared     bool // by a link
	CanDelete  bool
}

// IssuePage is one issue with one of its events.
type IssuePage struct {
	IssueHead
	Events    int64
	Users     int64
	FirstSeen time.Time
	LastSeen  time.Time
	FirstRel  string
	Series    Series

	FirstRelHref, LastRelHref string

	Event *Event // nil when no event is kept any more
	Nav   EventNav

	TagKeys      []Distribution
	Releases     []Share
	Environments []Share
	History      IssueHistory
	Suspects     []SuspectCommit
	Owner        OwnerFact
}

// EventNav leads from an event to its neighbours; empty addresses lead nowhere.
type EventNav struct {
	Which                     string // latest, oldest, recommended, empty for one by id
	First, Older, Newer, Last string
	Recommended, JSON, All    string
	Rank                      string // "event 3 of 1,204"
}

// Distribution is a tag and how its values share the events.
type Distribution struct {
	Key    string
	Href   string // of all its values
	Others int64  // values beyond those listed
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
	Mark    string    // "first seen in"
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
	ID        string
	Who       string
	Author    int64
	What      string
	At        time.Time
	Comment   string          // as it was written; empty: it is none
	Body      templ.Component // the comment drawn
	Mine      bool
	MayDelete bool
	Editing   bool
	EditHref  string
}

// EventsPage lists the events of an issue.
type EventsPage struct {
	IssueHead
	Rows         []EventLine
	Newer, Older string // addresses
}

// EventLine is one event in a list.
type EventLine struct {
	Href        string
	ID          string
	At          time.Time
	Level       Level
	Title       string
	Release     string
	Environment string
	User        string
	URL         string
}

// TagsPage tells how the tags of an issue differ from what is usual in its project.
type TagsPage struct {
	IssueHead
	Contrast []Contrast // largest difference first
	All      []Distribution
	Sample   string // what the project's shares were computed from
}

// Contrast is the share of one value here and in the project.
type Contrast struct {
	Key, Value string
	Href       string
	Here       int // percent
	Usual      int // percent
	Words      string
}

// ActivityPage is everything that happened to an issue.
type ActivityPage struct {
	IssueHead
	History IssueHistory
}

// FilesPage lists the files of an issue's events.
type FilesPage struct {
	IssueHead
	Files []File
}

// IssueHistory is what happened to an issue, newest first, with a form to comment.
type IssueHistory struct {
	Action, Back string
	CanWrite     bool
	Names        []string // that can be mentioned, each with its @
	Entries      []ActivityEntry
}

// OwnerFact is whom the ownership rules name.
type OwnerFact struct{ Names, Rule string }

// SuspectCommit is a commit that may have caused an issue.
type SuspectCommit struct {
	ID, Title, Author, Path, Confidence, Repository string
	At                                              time.Time
}

// SimilarPage lists issues with something in common.
type SimilarPage struct {
	IssueHead
	Action, Back string
	Issues       []SimilarIssue
}

// SimilarIssue is one of them, and why.
type SimilarIssue struct {
	Row
	Functions              []string
	Shared                 string // how many functions
	SameError, SameCulprit bool
}

// MergedPage is what grouping made of an issue's events.
type MergedPage struct {
	IssueHead
	Action, RulesHref, EventHref string
	Hashes                       []HashLine
	Why                          *Why // nil: no event is kept
}

// HashLine is one hash of an issue.
type HashLine struct {
	Hash        string
	Events      int64
	First, Last time.Time
}

// Why says why an event is in its issue.
type Why struct {
	Sentence, Version   string
	Rule, Client        string
	Current, Reproduced bool
	Variants            []WhyVariant
}

// WhyVariant is one view of the event.
type WhyVariant struct {
	Name, Hint, Hash string
	Contributes      bool
	Values           []string
	Tree             []WhyNode
}

// WhyNode is a part of the event as grouping looked at it.
type WhyNode struct {
	Name, Hint  string
	Contributes bool
	Texts       []string
	Nodes       []WhyNode
}

// DoctorPage says of every frame of an event why it is as it is.
type DoctorPage struct {
	Back, Uploads, Release, Dist string
	Good                         int
	Frames                       []Diagnosis
}
