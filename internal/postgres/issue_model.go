package postgres

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// IssueSort is an order of the issue list; ties go to the newer id.
type IssueSort string

// The orders, each with the largest or latest first.
const (
	SortLastSeen  IssueSort = "date"
	SortFirstSeen IssueSort = "new"
	SortEvents    IssueSort = "freq"
	SortUsers     IssueSort = "user"
	SortPriority  IssueSort = "priority"
)

// IssueQuery is what an issue list shows. Fields left empty do not restrict it.
type IssueQuery struct {
	Projects     []int64 // of the organization; others find nothing
	IDs          []int64
	Query        search.Query
	Environments []string  // seen in any of them; "" is events without one
	From, To     time.Time // seen between them
	Sort         IssueSort // empty: SortLastSeen
	Cursor       string    // of a page before; empty: the first page
	Limit        int       // 1 to 100; 0: 25
	Me           int64     // the user whom "assigned:me" means

	Within    []project.Project // all of the organization, when they are known already
	Uncounted bool              // Hits are not asked for: as few issues as the page needs are looked at
}

// IssueRow is an issue as lists and pages show it.
type IssueRow struct {
	ID           int64
	Project      int64
	ProjectSlug  string
	ProjectName  string
	ShortID      string
	Number       int64 // within the project
	Type         string
	Title        string
	Culprit      string
	Platform     string
	Logger       string
	Level        event.Level
	Metadata     event.Metadata
	Status       issue.Status
	Substatus    issue.Substatus
	Priority     issue.Priority
	IsUnhandled  bool
	FirstSeen    time.Time
	LastSeen     time.Time
	TimesSeen    int64
	UserCount    int64
	FirstRelease string // empty: none
	LastRelease  string // empty: none
	Assignee     string // "user:7", "team:3"; empty: nobody
	Version      int64  // grows with each change by a person or rule
	Resolution   *issue.Resolution
	Snooze       *issue.Snooze
	StatusAt     *time.Time // last change of status

	PriorityLockedAt *time.Time     // nil: the priority changes by itself
	InitialPriority  issue.Priority // zero: not known
	ShareID          string         // empty: only members see it
	Undo             int64          // of a change just made: what UndoChange takes; zero: nothing changed
}

// IssuePage is one page of an issue list.
type IssuePage struct {
	Rows       []IssueRow
	Prev, Next string // cursors; usable even when there is no such page yet
	HasPrev    bool
	HasNext    bool
	Hits       int  // matching issues, counted up to HitsMax
	HitsCapped bool // there are more than Hits
}

// HitsMax is where counting the matches of a list stops.
const HitsMax = 1000

// TagValue is one value of a tag and how often an issue's events had it.
type TagValue struct {
	Key       string
	Value     string
	TimesSeen int64
	FirstSeen time.Time
	LastSeen  time.Time
}

// TagKey is one tag of an issue with its most frequent values.
type TagKey struct {
	Key          string
	TotalValues  int64 // events that had the tag
	UniqueValues int64
	Top          []TagValue // most frequent first
}

// Seen is how often and between when an issue was seen in one release or environment.
type Seen struct {
	Name      string // release version or environment
	TimesSeen int64
	FirstSeen time.Time
	LastSeen  time.Time
}

// Activity is one thing that happened to an issue, with the name of who did it.
type Activity struct {
	ID        int64
	Type      issue.ActivityType
	User      *Person // nil: a rule or the server
	Data      []byte  // JSON object
	CreatedAt time.Time
}

// Person is a user as others see one.
type Person struct {
	ID    int64
	Name  string
	Email string
}

// EventWhich says which event of an issue is wanted.
type EventWhich uint8

// The events an issue page asks for. Recommended is the newest of the last seven days before the
// issue was last seen that has fewest processing errors.
const (
	EventLatest EventWhich = iota
	EventOldest
	EventRecommended
	EventByID
)

// EventSelector names one event of an issue.
type EventSelector struct {
	Which        EventWhich
	ID           event.ID // for EventByID
	Environments []string // neighbours and choice stay within them; empty: all
}

// EventView is one event with its place among the events of its issue.
type EventView struct {
	Event      *event.Event
	Payload    []byte // canonical JSON
	Project    int64
	Issue      int64
	ReceivedAt time.Time
	Prev, Next event.ID // older and newer event of the issue; zero: none
	First      event.ID // oldest event of the issue that is still kept
	Last       event.ID // newest
}

// EventRow is an event as lists show it.
type EventRow struct {
	ID          event.ID
	Issue       int64
	ReceivedAt  time.Time
	OccurredAt  time.Time
	Level       event.Level
	Platform    string
	Release     string
	Environment string
	UserKey     string
	Event       *event.Event // decoded payload
	Payload     []byte       // canonical JSON
}

// EventPage is one page of events, newest first.
type EventPage struct {
	Rows             []EventRow
	Prev, Next       string
	HasPrev, HasNext bool
}
