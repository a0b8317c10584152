package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// readEvents is how many events one chunk reads whole at most.
const readEvents = 250

// transfer is one event on its way to another issue.
type transfer struct {
	place storedPlace
	event *event.Event // nil when its payload cannot be read
	to    int64
	hash  int64 // shortHash under which it counts there
}

// decode reads the payloads of events; nil for one that is gone or cannot be read.
func (w *jobWork) decode(ctx context.Context, places []storedPlace) ([]*event.Event, error) {
	refs := make([]blockRef, len(places))
	for i, p := range places {
		refs[i] = blockRef{p.ReceivedAt, p.BlockID, p.BlockIndex}
	}
	payloads, err := w.st.payloads(ctx, w.Project, refs)
	if err != nil {
		return nil, err
	}
	events := make([]*event.Event, len(places))
	for i, p := range payloads {
		if len(p) == 0 {
			continue
		}
		if events[i], err = event.Decode(p); err != nil {
			events[i] = nil
		}
	}
	return events, nil
}

const sqlPutEvents = `
	update events e set issue_id = d.issue_id, hash = d.hash
	from unnest(@times::timestamptz[], @ids::uuid[], @issues::bigint[], @hashes::bigint[]) as d(received_at, event_id, issue_id, hash)
	where e.project_id = @project and e.received_at >= @first and e.received_at <= @last and e.received_at = d.received_at and e.event_id = d.event_id`

// move gives events to other issues, with what is counted of them by hour, environment, release and
// tag. The counts of the issues themselves are the caller's.
func (w *jobWork) move(ctx context.Context, tx pgx.Tx, moves []transfer) error {
	f := newFacts()
	var times []time.Time
	var ids []pgtype.UUID
	var issues, hashes []int64
	var named []issueTag
	for _, m := range moves {
		times, ids = append(times, m.place.ReceivedAt), append(ids, m.place.Event)
		issues, hashes = append(issues, m.to), append(hashes, m.hash)
		if m.to == m.place.Issue {
			continue
		}
		rec := Record{OccurredAt: m.place.OccurredAt, Release: m.place.Release, Environment: m.place.Env}
		if m.event != nil {
			rec.Tags, rec.Properties = m.event.Tags, m.event.Properties()
		}
		rec.Sanitize()
		f.carry(m.place.Issue, m.to, &rec)
		for _, p := range rec.Properties {
			named = append(named, issueTag{m.to, p.Key, p.Value})
		}
	}
	b := &pgx.Batch{}
	b.Queue(sqlPutEvents, pgx.StrictNamedArgs{"project": w.Project, "times": times, "ids": ids, "issues": issues, "hashes": hashes,
		"first": slices.MinFunc(times, time.Time.Compare), "last": slices.MaxFunc(times, time.Time.Compare)})
	queueProperties(b, w.Project, named)
	f.queue(b, w.Project, nil)
	return tx.SendBatch(ctx, b).Close()
}

// carry counts one event out of an issue and into another.
func (f *facts) carry(from, to int64, r *Record) {
	at := r.OccurredAt.UnixMicro()
	for issue, one := range map[int64]span{from: {-1, at, at}, to: {1, at, at}} {
		f.hours[issueHour{issue, r.OccurredAt.UTC().Truncate(time.Hour).UnixMicro()}] += one.n
		env := issueText{issue, r.Environment}
		f.environments[env] = f.environments[env].sum(one)
		if r.Release != "" {
			key := issueText{issue, r.Release}
			f.releases[key] = f.releases[key].sum(one)
		}
		for i := range r.Tags {
			key := issueTag{issue, r.Tags[i].Key, r.Tags[i].Value}
			f.tags[key] = f.tags[key].sum(one)
		}
	}
}

// sum is add for spans that count down as well, where nothing is no sign of an empty one.
func (s span) sum(o span) span {
	if s == (span{}) {
		return o
	}
	return span{s.n + o.n, min(s.first, o.first), max(s.last, o.last)}
}

// sqlForgetEmpty are the counts of issues that nothing is left of, one statement for each table.
var sqlForgetEmpty = []string{sqlForgetEmptyHours, sqlForgetEmptyEnvironments, sqlForgetEmptyReleases, sqlForgetEmptyTags}

const (
	sqlForgetEmptyHours        = `delete from issue_hours where project_id = @project and issue_id = any(@issues::bigint[]) and times_seen <= 0`
	sqlForgetEmptyEnvironments = `delete from issue_environments where project_id = @project and issue_id = any(@issues::bigint[]) and times_seen <= 0`
	sqlForgetEmptyReleases     = `delete from issue_releases where project_id = @project and issue_id = any(@issues::bigint[]) and times_seen <= 0`
	sqlForgetEmptyTags         = `delete from issue_tags where project_id = @project and issue_id = any(@issues::bigint[]) and times_seen <= 0`
)

func (w *jobWork) forgetEmpty(ctx context.Context, tx pgx.Tx, issues []int64) error {
	for _, sql := range sqlForgetEmpty {
		if _, err := tx.Exec(ctx, sql, pgx.StrictNamedArgs{"project": w.Project, "issues": issues}); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlNewestPlace = `
		select ` + placeColumns + ` from events where project_id = @project and issue_id = @issue order by received_at desc, event_id desc limit 1`

	sqlDescribeIssue = `
		update issues set level = @level, platform = @platform, logger = @logger, title = @title, culprit = @culprit, metadata = @metadata, is_unhandled = @unhandled,
			first_release = (select release from events where project_id = @project and issue_id = @issue order by received_at, event_id limit 1),
			last_release = (select release from events where project_id = @project and issue_id = @issue and release is not null order by received_at desc, event_id desc limit 1)
		where project_id = @project and id = @issue`
)

// describe gives an issue the title and the other words of the newest event that it has.
func (w *jobWork) describe(ctx context.Context, tx pgx.Tx, id int64) error {
	rows, _ := tx.Query(ctx, sqlNewestPlace, pgx.StrictNamedArgs{"project": w.Project, "issue": id}) // Collect reports a failed Query
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPlace])
	if err != nil || len(places) == 0 {
		return err
	}
	events, err := w.decode(ctx, places)
	if err != nil || events[0] == nil {
		return err
	}
	rec := w.words(events[0])
	metadata, err := json.Marshal(rec.Metadata)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlDescribeIssue, pgx.StrictNamedArgs{"project": w.Project, "issue": id, "level": int16(rec.Level), "platform": rec.Platform,
		"logger": rec.Logger, "title": rec.Title, "culprit": rec.Culprit, "metadata": metadata, "unhandled": rec.Unhandled})
	if err != nil {
		return err
	}
	return indexTexts(ctx, tx, w.Project, id)
}

// words is what an issue says of an event.
func (w *jobWork) words(ev *event.Event) *Record {
	rec := &Record{Project: w.Project, Level: ev.Level, Platform: ev.Platform, Logger: ev.Logger, Type: ev.Type, Metadata: ev.Metadata(), Unhandled: ev.Unhandled()}
	rec.Title, rec.Culprit = rec.Metadata.Title, rec.Metadata.Culprit
	rec.Sanitize()
	return rec
}

// issuesOf lists the issues that moves are from and to, in order.
func issuesOf(moves []transfer) []int64 {
	seen := make(map[int64]bool)
	for _, m := range moves {
		seen[m.place.Issue], seen[m.to] = true, true
	}
	return slices.Sorted(maps.Keys(seen))
}
