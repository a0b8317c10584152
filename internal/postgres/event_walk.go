package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// EventWalk asks for one page of an issue's events, newest first, by the place of a row of the page
// before or after it. However deep, a page costs the same.
type EventWalk struct {
	Project, Issue int64
	Environments   []string // nil: all
	At             string   // EventWalkPage.Older or Newer; empty: the newest
	Limit          int
}

// EventWalkPage is one page of events.
type EventWalkPage struct {
	Rows         []EventRow
	Newer, Older string // places of the pages beside it; empty: there is none
}

const (
	sqlWalkOlder = issueEvents + ` and (@first or (received_at, event_id) < (@at::timestamptz, @event::uuid))
		order by received_at desc, event_id desc limit @limit`
	sqlWalkNewer = issueEvents + ` and (received_at, event_id) > (@at::timestamptz, @event::uuid)
		order by received_at, event_id limit @limit`
)

// WalkEvents returns one page of events. fault.Invalid: At is no place.
func (st *Store) WalkEvents(ctx context.Context, q EventWalk) (EventWalkPage, error) {
	at, err := parsePlace(q.At)
	if err != nil {
		return EventWalkPage{}, err
	}
	limit := clampLimit(q.Limit)
	sql := sqlWalkOlder
	args := pgx.NamedArgs{"project": q.Project, "issue": q.Issue, "environments": q.Environments, "first": q.At == "",
		"at": at.at, "event": [16]byte(at.id), "limit": limit + 1}
	if at.newer {
		sql = sqlWalkNewer
	}
	var places []eventPlace
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sql, args)
		places, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace])
		return err
	})
	if err != nil {
		return EventWalkPage{}, translate(err, "list the events of issue %d", q.Issue)
	}
	more := len(places) > limit
	places = places[:min(len(places), limit)]
	if at.newer {
		slices.Reverse(places)
	}
	page := EventWalkPage{}
	if len(places) > 0 {
		first, last := places[0], places[len(places)-1]
		if q.At != "" && (!at.newer || more) {
			page.Newer = walkPlace{first.ReceivedAt, first.EventID.Bytes, true}.String()
		}
		if at.newer || more {
			page.Older = walkPlace{last.ReceivedAt, last.EventID.Bytes, false}.String()
		}
	}
	page.Rows, err = st.decoded(ctx, q.Project, places)
	return page, err
}

// walkPlace is where an event stands in the order of its issue, and which way to go on from it.
type walkPlace struct {
	at    time.Time
	id    event.ID
	newer bool
}

func (p walkPlace) String() string {
	way := "o"
	if p.newer {
		way = "n"
	}
	return way + strconv.FormatInt(p.at.UnixMicro(), 10) + "-" + p.id.String()
}

func parsePlace(text string) (walkPlace, error) {
	if text == "" {
		return walkPlace{}, nil
	}
	micros, id, ok := strings.Cut(text[1:], "-")
	n, err1 := strconv.ParseInt(micros, 10, 64)
	e, err2 := event.ParseID(id)
	if !ok || err1 != nil || err2 != nil || text[0] != 'o' && text[0] != 'n' || len(text) > 64 {
		return walkPlace{}, fault.New(fault.Invalid, "The address names no place in the list of events.")
	}
	return walkPlace{time.UnixMicro(n).UTC(), e, text[0] == 'n'}, nil
}

// MaxEventRank is where counting the events before one stops.
const MaxEventRank = 10_000

const sqlEventRank = `
	select count(*) from (
		select from events where project_id = @project and issue_id = @issue and (received_at, event_id) > (@at::timestamptz, @event::uuid)
		limit @most) newer`

// EventRank counts how many events of an issue are newer than one, up to MaxEventRank.
func (st *Store) EventRank(ctx context.Context, project, issue int64, receivedAt time.Time, id event.ID) (n int, err error) {
	err = st.db.QueryRow(ctx, sqlEventRank, pgx.StrictNamedArgs{"project": project, "issue": issue, "at": receivedAt, "event": [16]byte(id),
		"most": MaxEventRank}).Scan(&n)
	return n, translate(err, "count the newer events of issue %d", issue)
}

// comparedIssues is how many of a project's issues stand for all of it when tags are compared.
const comparedIssues = 500

// The tags of the issues that were seen last, summed by value. Reading a bounded number of issues
// by their key keeps this fast however many a project has.
const sqlProjectTags = `
	select t.key, t.value, sum(t.times_seen)::bigint as times_seen
	from (
		select l.id from unnest('{0,1,2}'::smallint[]) as s(status) cross join lateral (
			select id, last_seen from issues where project_id = @project and status = s.status order by last_seen desc, id desc limit @sample) as l
		order by l.last_seen desc limit @sample) i
	join issue_tags t on t.project_id = @project and t.issue_id = i.id and t.key = any(@keys::text[])
	group by 1, 2`

// TagShare is how often a value of a tag was seen.
type TagShare struct {
	Key       string
	Value     string
	TimesSeen int64
}

// ProjectTags sums tags over those issues of a project that were seen last, 500 at most: what is
// usual there.
func (st *Store) ProjectTags(ctx context.Context, project int64, keys []string) ([]TagShare, error) {
	var list []TagShare
	err := st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlProjectTags, pgx.StrictNamedArgs{"project": project, "keys": keys, "sample": comparedIssues})
		var err error
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[TagShare])
		return err
	})
	return list, translate(err, "sum the tags of project %d", project)
}
