// Package regroup holds what pages and API share about how a project groups: changing the rules
// and the version, seeing what they would do to events that are stored, and explaining one event.
package regroup

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// Apply applies a change to the grouping in settings of a project. fault.Invalid, fault.TooLarge:
// the result cannot be used; grouping.PositionOf tells where in a rule text. Other errors are those
// of the change.
func Apply(s *project.Settings, change func(*grouping.Settings) error) error {
	g, err := grouping.ReadSettings(s.Grouping)
	if err == nil {
		err = change(&g)
	}
	if err == nil {
		err = g.Validate()
	}
	if err == nil {
		s.Grouping, err = json.Marshal(g)
	}
	return err
}

// Change applies a change to the grouping of a project, which every processor follows at once.
// Errors are those of Apply and of Store.ChangeSettings; after one, nothing is changed.
func Change(ctx context.Context, st *postgres.Store, id int64, change func(*grouping.Settings) error) error {
	_, err := st.ChangeSettings(ctx, id, func(s *project.Settings) error { return Apply(s, change) })
	return err
}

// Explanation is why an event is in its issue.
type Explanation struct {
	grouping.Explanation
	Issue int64
	// Current tells that the event was grouped by the rules and the version now in force.
	Current bool
	// Reproduced tells that the issue owns one of the hashes. It does not after the event was
	// moved by hand, or when the event was grouped by rules that are not known any more.
	Reproduced bool
}

// Explain says how an event of a project was grouped, by the version and the rules that it met.
// fault.Unknown: the project has no such event.
func Explain(ctx context.Context, st *postgres.Store, p project.Project, id event.ID) (Explanation, error) {
	stored, err := st.Event(ctx, p.ID, id)
	if err != nil {
		return Explanation{}, fault.Wrap(err, fault.KindOf(err), "No matching event")
	}
	ev, err := event.Decode(stored.Payload)
	if err != nil {
		return Explanation{}, fault.Wrap(err, fault.Internal, "decode a stored event")
	}
	return ExplainEvent(ctx, st, p, stored.IssueID, ev)
}

// ExplainEvent is Explain for an event that was read, as it is stored, and its issue.
func ExplainEvent(ctx context.Context, st *postgres.Store, p project.Project, issueID int64, ev *event.Event) (Explanation, error) {
	now, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{Issue: issueID, Current: ev.GroupedBy == now.GroupedBy()}
	met := now
	if !x.Current && ev.GroupedBy != "" {
		if met, err = st.GroupingOf(ctx, p.ID, ev.GroupedBy); fault.KindOf(err) == fault.Unknown {
			met = now
		} else if err != nil {
			return Explanation{}, err
		}
	}
	x.Explanation = grouping.Compile(met).Explain(ev)
	known, err := st.IssuesOfHashes(ctx, p.ID, x.Hashes())
	for _, issue := range known {
		x.Reproduced = x.Reproduced || issue == issueID
	}
	return x, err
}

// MaxForecast is the largest number of events a forecast looks at.
const MaxForecast = 1000

// forecastPage is how many events are in memory at once.
const forecastPage = 100

// Forecast is what other rules would have made of the newest events of a project.
type Forecast struct {
	Events int // looked at
	Moved  int // that would be in another issue
	Splits []Split
	Joins  []Join
}

// Split is an issue whose events would be in several. Parts are ordered by size.
type Split struct {
	Issue int64
	Parts []Part
}

// Part is events that would be together.
type Part struct {
	Issue  int64 // that they would be in; 0: one that does not exist
	Hash   grouping.Hash
	Events int
	Title  string   // of one of them
	Sample event.ID // likewise
}

// Join is events of several issues that would be together.
type Join struct {
	Part
	Issues []int64
}

// Joined counts the issues that would flow together.
func (f *Forecast) Joined() int {
	seen := make(map[int64]bool)
	for _, j := range f.Joins {
		for _, id := range j.Issues {
			seen[id] = true
		}
	}
	return len(seen)
}

// Foresee says which of the newest events of a project would be in other issues, had they met the
// wanted settings. Nothing is changed. fault.Invalid: the settings cannot be used.
func Foresee(ctx context.Context, st *postgres.Store, p project.Project, wanted grouping.Settings, newest int) (Forecast, error) {
	if err := wanted.Validate(); err != nil {
		return Forecast{}, err
	}
	current, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return Forecast{}, err
	}
	events, err := regrouped(ctx, st, p.ID, grouping.Compile(current), grouping.Compile(wanted), min(newest, MaxForecast))
	if err != nil {
		return Forecast{}, err
	}
	var hashes []grouping.Hash
	for i := range events {
		if events[i].changed {
			hashes = append(hashes, events[i].hashes...)
		}
	}
	known, err := st.IssuesOfHashes(ctx, p.ID, hashes)
	if err != nil {
		return Forecast{}, err
	}
	return forecast(events, known), nil
}

// sighting is one event of a forecast.
type sighting struct {
	id      event.ID
	issue   int64
	title   string
	hashes  []grouping.Hash // under the wanted settings
	changed bool            // they differ from those under the current ones
}

// regrouped groups the newest events of a project anew, newest first.
func regrouped(ctx context.Context, st *postgres.Store, id int64, current, wanted *grouping.Plan, newest int) ([]sighting, error) {
	var events []sighting
	q := postgres.EventQuery{Project: id}
	for left := newest; left > 0; {
		q.Limit = min(left, forecastPage)
		page, err := st.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Rows {
			row := &page.Rows[i]
			before := current.Assign(row.Event, row.ReceivedAt)
			after := wanted.Assign(row.Event, row.ReceivedAt)
			s := sighting{id: row.ID, issue: row.Issue, title: after.Title, hashes: after.Hashes, changed: !slices.Equal(before.Hashes, after.Hashes)}
			if s.title == "" {
				s.title = row.Event.Metadata().Title
			}
			events = append(events, s)
		}
		if left -= len(page.Rows); !page.HasNext || len(page.Rows) == 0 {
			break
		}
		q.Cursor = page.Next
	}
	return events, nil
}
