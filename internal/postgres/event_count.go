package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// Measure is something that events are counted for.
type Measure struct {
	Kind  MeasureKind
	Field string // of CountUnique
}

// MeasureKind is what a measure tells of events.
type MeasureKind string

// The kinds of measures.
const (
	CountEvents MeasureKind = "count"
	CountUnique MeasureKind = "count_unique" // of the values of a field
	FirstEvent  MeasureKind = "first"        // when it happened
	LastEvent   MeasureKind = "last"
)

// EventCount asks for events by groups.
type EventCount struct {
	EventSearch
	By       []string      // fields whose values make a group; none: all events are one
	Step     time.Duration // 0; else each step of the period, from its start on, makes groups of its own
	Measures []Measure
	Sort     int  // place in Measures of what orders the groups, or, past them, in By; -1: none
	Up       bool // the least first
	Skip     int
	Limit    int
}

// EventGroup is what was counted of one group.
type EventGroup struct {
	By    []string // empty: the events have no such thing
	Step  int      // of the period
	Count []int64  // of each measure; Unix milliseconds of FirstEvent and LastEvent
}

// CountEvents counts events by groups, in the order that is asked for, and tells whether there are more
// groups. cut is true where payloads had to be read and not all were: it counts the newest 5,000 events
// that the rest of the search finds. fault.Unavailable: it took too long.
func (st *Store) CountEvents(ctx context.Context, org int64, q EventCount) (groups []EventGroup, more, cut bool, err error) {
	c, checks, err := st.eventConditions(ctx, org, q.EventSearch)
	if err != nil || len(c.projects) == 0 {
		return nil, false, false, err
	}
	fields := slices.Clone(q.By)
	for _, m := range q.Measures {
		if m.Kind == CountUnique {
			fields = append(fields, m.Field)
		}
	}
	if len(checks) == 0 && !slices.ContainsFunc(fields, func(f string) bool { return !IsEventColumn(f) }) {
		groups, err = st.countInSQL(ctx, c, q)
	} else if groups, cut, err = st.countDecoded(ctx, c, checks, q); err == nil {
		q.order(groups)
		groups = groups[min(q.Skip, len(groups)):]
		groups = groups[:min(q.Limit+1, len(groups))]
	}
	if more = len(groups) > q.Limit; more {
		groups = groups[:q.Limit]
	}
	return groups, more, cut, translate(err, "count the events of organization %d", org)
}

func (st *Store) countInSQL(ctx context.Context, c *conditions, q EventCount) (groups []EventGroup, err error) {
	by := make([]string, len(q.By))
	for i, f := range q.By {
		by[i] = eventColumns[f]
	}
	step := "0"
	if q.Step > 0 {
		step = "floor(extract(epoch from e.received_at - " + c.arg(q.From) + "::timestamptz) / " + c.arg(q.Step.Seconds()) + "::float8)::int"
	}
	counts := make([]string, len(q.Measures))
	for i, m := range q.Measures {
		switch m.Kind {
		case CountEvents:
			counts[i] = "count(*)"
		case CountUnique:
			counts[i] = "count(distinct nullif(" + eventColumns[m.Field] + ", ''))"
		case FirstEvent:
			counts[i] = "(extract(epoch from min(e.occurred_at)) * 1000)::bigint"
		case LastEvent:
			counts[i] = "(extract(epoch from max(e.occurred_at)) * 1000)::bigint"
		}
	}
	c.args["limit"], c.args["skip"] = q.Limit+1, q.Skip
	sql := "select w.groups, w.step, w.counts from (select array[" + strings.Join(by, ", ") + "]::text[] as groups, " + step + " as step, array[" + strings.Join(counts, ", ") + "]::bigint[] as counts" +
		fromEvents + " and e.project_id = any(@projects::bigint[])" + c.conditionText() + " group by 1, 2) as w order by " + q.orderSQL() + "w.groups, w.step limit @limit offset @skip"
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, err := c.run(ctx, tx, sql)
		if err == nil {
			groups, err = pgx.CollectRows(rows, pgx.RowToStructByPos[EventGroup])
		}
		return err
	})
	return groups, err
}

func (q *EventCount) orderSQL() string {
	down := " desc, "
	if q.Up {
		down = ", "
	}
	switch {
	case q.Sort < 0:
		return ""
	case q.Sort < len(q.Measures):
		return "w.counts[" + strconv.Itoa(q.Sort+1) + "]" + down
	}
	return "w.groups[" + strconv.Itoa(q.Sort-len(q.Measures)+1) + "]" + down
}

// order sorts groups as orderSQL does.
func (q *EventCount) order(groups []EventGroup) {
	slices.SortStableFunc(groups, func(a, b EventGroup) int {
		first := 0
		switch {
		case q.Sort < 0:
		case q.Sort < len(q.Measures):
			first = cmp.Compare(a.Count[q.Sort], b.Count[q.Sort])
		default:
			first = cmp.Compare(a.By[q.Sort-len(q.Measures)], b.By[q.Sort-len(q.Measures)])
		}
		if !q.Up {
			first = -first
		}
		return cmp.Or(first, slices.Compare(a.By, b.By), cmp.Compare(a.Step, b.Step))
	})
}

// maxDistinct bounds the values that are told apart for a measure over payloads.
const maxDistinct = 100_000

// countDecoded counts what only payloads tell.
func (st *Store) countDecoded(ctx context.Context, c *conditions, checks []search.Term, q EventCount) (groups []EventGroup, cut bool, err error) {
	type tally struct {
		EventGroup
		distinct []map[string]bool
	}
	found, distinct := make(map[string]*tally), 0
	cut, err = st.checkedEvents(ctx, c, checks, false, func(e *FoundEvent) bool {
		g := EventGroup{By: make([]string, len(q.By))}
		for i, f := range q.By {
			g.By[i] = strings.Join(e.Values(f), ", ")
		}
		if q.Step > 0 {
			g.Step = int(e.at.ReceivedAt.Sub(q.From) / q.Step)
		}
		key := strings.Join(g.By, "\x00") + "\x00" + strconv.Itoa(g.Step)
		t := found[key]
		if t == nil {
			g.Count = make([]int64, len(q.Measures))
			t = &tally{g, make([]map[string]bool, len(q.Measures))}
			found[key] = t
		}
		var at int64
		if when, err := time.Parse(time.RFC3339, e.columns[columnPlaces["timestamp"]]); err == nil {
			at = when.UnixMilli()
		}
		for i, m := range q.Measures {
			n := &t.Count[i]
			switch m.Kind {
			case CountEvents:
				*n++
			case FirstEvent:
				if *n == 0 || at < *n {
					*n = at
				}
			case LastEvent:
				*n = max(*n, at)
			case CountUnique:
				if t.distinct[i] == nil {
					t.distinct[i] = make(map[string]bool)
				}
				for _, v := range e.Values(m.Field) {
					if !t.distinct[i][v] && distinct < maxDistinct {
						t.distinct[i][v] = true
						distinct++
						*n++
					}
				}
			}
		}
		return true
	})
	for _, t := range found {
		groups = append(groups, t.EventGroup)
	}
	return groups, cut, err
}

// Measured is the measure that a name of the API means, such as count_unique(user). fault.Invalid: none.
func Measured(function, field string) (Measure, error) {
	switch function {
	case "count":
		return Measure{Kind: CountEvents}, nil
	case "last_seen":
		return Measure{Kind: LastEvent}, nil
	case "first_seen":
		return Measure{Kind: FirstEvent}, nil
	case "min", "max":
		if field == "timestamp" {
			return Measure{Kind: map[string]MeasureKind{"min": FirstEvent, "max": LastEvent}[function]}, nil
		}
	case "count_unique":
		if field != "" {
			return Measure{Kind: CountUnique, Field: field}, nil
		}
	}
	return Measure{}, fault.New(fault.Invalid, "%.40q is no function of events: count(), count_unique(field), first_seen(), last_seen(), min(timestamp), max(timestamp), epm() and eps() are", function+"("+field+")")
}
