// Package job owns the words for work that outgrows one request: changing, deleting, merging and taking
// apart issues, grouping stored events anew, exporting and erasing. Such work is cut into chunks, each of
// which is one short transaction that also moves the job's continuation token forward.
package job

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Kind says what a job does.
type Kind string

// The kinds.
const (
	Delete      Kind = "delete"      // of issues, with their events
	Merge       Kind = "merge"       // of issues into one
	Unmerge     Kind = "unmerge"     // of hashes out of an issue
	Regroup     Kind = "regroup"     // of stored events, by the rules now in force
	Export      Kind = "export"      // of events, as lines of JSON
	Erase       Kind = "erase"       // of all that is kept of one user
	Symbolicate Kind = "symbolicate" // of stored events, with what was uploaded since
	Update      Kind = "update"      // of the issues that a search finds: resolving, assigning, …
)

// Cancellable reports whether a job of the kind may be stopped half-way and leave everything
// usable. A merge and an unmerge take effect when they start; only clearing up is left then.
func (k Kind) Cancellable() bool { return k != Merge && k != Unmerge }

// Startable reports whether the kind is started as a job. The others are started by what they do
// to issues.
func (k Kind) Startable() bool {
	switch k {
	case Regroup, Export, Erase, Symbolicate:
		return true
	}
	return false
}

// Status is where a job stands. The numbers are stored.
type Status int16

// The statuses.
const (
	Waiting   Status = 0
	Running   Status = 1
	Done      Status = 2
	Failed    Status = 3
	Cancelled Status = 4
)

// String is the wire's word.
func (s Status) String() string {
	return [...]string{"waiting", "running", "done", "failed", "cancelled"}[s]
}

// Over reports whether the job will do no more.
func (s Status) Over() bool { return s >= Done }

// Args are what a job is about. Which fields matter depends on the kind.
type Args struct {
	Issues  []int64  `json:"issues,omitempty"` // deleted, merged, taken apart, grouped anew, exported
	Target  int64    `json:"target,omitempty"` // issue that events move to
	Hashes  []string `json:"hashes,omitempty"` // that leave an issue
	User    string   `json:"user,omitempty"`   // "id:42", "email:a@example.org", "username:ann", "ip:10.0.0.1"
	Discard bool     `json:"discard,omitempty"`
	Regroup bool     `json:"regroup,omitempty"` // what was symbolicated is grouped anew
	Update  *Change  `json:"update,omitempty"`
}

// Change is what an update does, and to which issues of its project.
type Change struct {
	Query        string    `json:"query"` // a search, as people write it
	Environments []string  `json:"environments,omitempty"`
	From         time.Time `json:"from,omitzero"` // seen since
	To           time.Time `json:"to,omitzero"`   // and first seen by then
	Me           int64     `json:"me,omitempty"`  // the user that the search calls me

	Action     issue.Action `json:"action"`
	Seen       *bool        `json:"seen,omitempty"` // marks of the user who asked
	Bookmarked *bool        `json:"bookmarked,omitempty"`
	Subscribed *bool        `json:"subscribed,omitempty"`
	Reviewed   bool         `json:"reviewed,omitempty"`
}

// Job is one piece of work.
type Job struct {
	Project    int64
	ID         int64
	Kind       Kind
	Args       Args
	Status     Status
	Done       int64 // units that are done: events, mostly
	Total      int64 // of how many; 0: not known
	Result     json.RawMessage
	Problem    string // why it failed, or failed last
	Cancel     bool   // asked for
	CreatedBy  int64  // user; 0: a program
	CreatedAt  time.Time
	StartedAt  *time.Time
	FinishedAt *time.Time
}

// Attributes of a user that events can be found by.
var userFields = []string{"id", "email", "username", "ip"}

// ParseUser splits "email:a@example.org". fault.Invalid: it is no such text.
func ParseUser(text string) (field, value string, err error) {
	field, value, _ = strings.Cut(text, ":")
	for _, f := range userFields {
		if f == field && value != "" && len(value) <= 512 {
			return field, value, nil
		}
	}
	return "", "", fault.New(fault.Invalid, "a user is named by id:…, email:…, username:… or ip:…")
}
