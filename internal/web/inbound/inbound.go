// Package inbound holds what pages and API share about what a project drops and removes: reading
// and changing the settings, and seeing what they would do to events that are stored.
package inbound

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// ChangeFilters applies a change to the filters of a project. fault.Invalid: the result cannot be
// used, and the text says which entry is wrong; nothing is changed then. Other kinds are those of
// the change and of Store.ChangeSettings.
func ChangeFilters(ctx context.Context, st *postgres.Store, id int64, change func(*filter.Settings) error) error {
	_, err := st.ChangeSettings(ctx, id, func(s *project.Settings) error {
		f, err := filter.Read(s.Filters)
		if err == nil {
			err = change(&f)
		}
		if err == nil {
			_, err = filter.Compile(f)
		}
		if err == nil {
			s.Filters, err = json.Marshal(f)
		}
		return err
	})
	return err
}

// ChangeScrubbing applies a change to the scrubbing of a project. Errors are as those of
// ChangeFilters.
func ChangeScrubbing(ctx context.Context, st *postgres.Store, id int64, change func(*scrub.Settings) error) error {
	_, err := st.ChangeSettings(ctx, id, func(s *project.Settings) error {
		c, err := scrub.Read(s.Scrubbing)
		if err == nil {
			err = change(&c)
		}
		if err == nil {
			_, err = scrub.Compile(c)
		}
		if err == nil {
			s.Scrubbing, err = json.Marshal(c)
		}
		return err
	})
	return err
}

// MaxForecast is the largest number of events a forecast looks at.
const MaxForecast = 1000

// forecastPage is how many events are in memory at once.
const forecastPage = 100

// Forecast says which of the newest events of a project its filters would have dropped, were they
// those. The address of a sender is not kept: that of the event's user stands for it.
// fault.Invalid: the filters cannot be used.
func Forecast(ctx context.Context, st *postgres.Store, id int64, s filter.Settings, newest int) (filter.Forecast, error) {
	f, err := filter.Compile(s)
	if err != nil {
		return filter.Forecast{}, err
	}
	var failed error
	cast := filter.Preview(f, func(yield func(*event.Event, netip.Addr) bool) {
		q := postgres.EventQuery{Project: id}
		for left := min(newest, MaxForecast); left > 0; {
			q.Limit = min(left, forecastPage)
			page, err := st.Events(ctx, q)
			if err != nil {
				failed = err
				return
			}
			for i := range page.Rows {
				if !yield(page.Rows[i].Event, sender(page.Rows[i].Event)) {
					return
				}
			}
			if left -= len(page.Rows); !page.HasNext {
				return
			}
			q.Cursor = page.Next
		}
	})
	return cast, failed
}

func sender(ev *event.Event) netip.Addr {
	if ev.User == nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(ev.User.IPAddress) // no address is the zero one
	return addr
}

// Trial is what scrubbing would do to one stored event.
type Trial struct {
	Event   event.ID
	Changes []Change
	More    bool // there are more changes than are listed
}

// Try says what scrubbing would remove from a stored event of a project, were it that; the newest
// event when none is named. fault.Invalid: the settings cannot be used. fault.Unknown: there is no
// such event.
func Try(ctx context.Context, st *postgres.Store, id int64, s scrub.Settings, which event.ID) (Trial, error) {
	c, err := scrub.Compile(s)
	if err != nil {
		return Trial{}, err
	}
	if which.IsZero() {
		page, err := st.Events(ctx, postgres.EventQuery{Project: id, Limit: 1})
		if err != nil {
			return Trial{}, err
		}
		if len(page.Rows) == 0 {
			return Trial{}, fault.New(fault.Unknown, "The project has no events yet.")
		}
		which = page.Rows[0].ID
	}
	stored, err := st.Event(ctx, id, which)
	if err != nil {
		return Trial{}, fault.Wrap(err, fault.KindOf(err), "No matching event")
	}
	before, err := event.Decode(stored.Payload)
	if err != nil {
		return Trial{}, fault.Wrap(err, fault.Internal, "decode a stored event")
	}
	was := before.AppendJSON(nil)
	c.Apply(before)
	changes, more, err := compare(was, before.AppendJSON(nil))
	return Trial{Event: which, Changes: changes, More: more}, err
}
