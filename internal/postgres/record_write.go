package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// write stores what was decided, in one round trip.
func (r *recording) write(ctx context.Context, tx pgx.Tx) error {
	b := &pgx.Batch{}
	if err := r.queueIssues(b); err != nil {
		return err
	}
	r.queueBlocks(b)
	r.queueEvents(b)
	if err := r.queueHistory(b); err != nil {
		return err
	}
	r.properties = r.memory.fresh(r.issues)
	for _, p := range slices.Sorted(maps.Keys(r.facts)) {
		b.Queue(sqlInsertFacts, pgx.StrictNamedArgs{"project": p, "id": NewID(), "data": r.facts[p].append(nil), "properties": propertiesOf(p, r.properties)})
		b.Queue(sqlFirstEvent, pgx.StrictNamedArgs{"project": p, "at": r.now})
	}
	queueOutcomes(b, r.tally)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

const (
	sqlInsertIssues = `
		insert into issues (project_id, id, number, type, level, platform, logger, title, culprit, metadata, status, substatus, priority,
			is_unhandled, first_seen, last_seen, times_seen, first_release, last_release, initial_priority, assignee)
		select n.project_id, n.id, n.number, n.type, n.level, n.platform, n.logger, n.title, n.culprit, n.metadata::jsonb, n.status, n.substatus,
			n.priority, n.is_unhandled, n.first_seen, n.last_seen, n.times_seen, nullif(n.first_release, ''), nullif(n.last_release, ''), n.priority, nullif(n.assignee, '')
		from unnest(@projects::bigint[], @ids::bigint[], @numbers::bigint[], @types::text[], @levels::smallint[], @platforms::text[], @loggers::text[],
			@titles::text[], @culprits::text[], @metadata::text[], @statuses::smallint[], @substatuses::smallint[], @priorities::smallint[],
			@unhandled::boolean[], @firsts::timestamptz[], @lasts::timestamptz[], @counts::bigint[], @first_releases::text[], @last_releases::text[], @assignees::text[])
			as n(project_id, id, number, type, level, platform, logger, title, culprit, metadata, status, substatus, priority,
			is_unhandled, first_seen, last_seen, times_seen, first_release, last_release, assignee)`

	// The rows are locked, so the values are final; what others may change meanwhile is not named.
	sqlUpdateIssues = `
		update issues i set level = n.level, platform = n.platform, logger = n.logger, title = n.title, culprit = n.culprit, metadata = n.metadata::jsonb,
			status = n.status, substatus = n.substatus, priority = n.priority, is_unhandled = n.is_unhandled, first_seen = n.first_seen, last_seen = n.last_seen,
			times_seen = n.times_seen, last_release = nullif(n.last_release, ''), resolution = n.resolution::jsonb, snooze = n.snooze::jsonb,
			status_at = n.status_at, version = n.version
		from unnest(@projects::bigint[], @ids::bigint[], @levels::smallint[], @platforms::text[], @loggers::text[],
			@titles::text[], @culprits::text[], @metadata::text[], @statuses::smallint[], @substatuses::smallint[], @priorities::smallint[],
			@unhandled::boolean[], @firsts::timestamptz[], @lasts::timestamptz[], @counts::bigint[], @last_releases::text[],
			@resolutions::text[], @snoozes::text[], @status_ats::timestamptz[], @versions::bigint[])
			as n(project_id, id, level, platform, logger, title, culprit, metadata, status, substatus, priority,
			is_unhandled, first_seen, last_seen, times_seen, last_release, resolution, snooze, status_at, version)
		where i.project_id = n.project_id and i.id = n.id`
)

// issueColumns are the arrays of sqlInsertIssues and sqlUpdateIssues.
type issueColumns struct {
	projects, ids, numbers, counts, versions              []int64
	types, platforms, loggers, titles, culprits, metadata []string
	firstReleases, lastReleases, assignees                []string
	levels, statuses, substatuses, priorities             []int16
	unhandled                                             []bool
	firsts, lasts                                         []time.Time
	resolutions, snoozes                                  []*string
	statusAts                                             []*time.Time
}

func (c *issueColumns) add(s *sighted) error {
	c.projects, c.ids, c.numbers = append(c.projects, s.Project), append(c.ids, s.ID), append(c.numbers, s.Number)
	c.counts, c.versions = append(c.counts, s.TimesSeen), append(c.versions, s.Version)
	c.types, c.platforms, c.loggers = append(c.types, s.Type), append(c.platforms, s.Platform), append(c.loggers, s.Logger)
	c.titles, c.culprits, c.metadata = append(c.titles, s.Title), append(c.culprits, s.Culprit), append(c.metadata, string(s.Metadata))
	c.firstReleases, c.lastReleases = append(c.firstReleases, s.records[0].Release), append(c.lastReleases, s.LastRelease)
	c.assignees = append(c.assignees, s.state.Assignee)
	c.levels, c.statuses = append(c.levels, int16(s.Level)), append(c.statuses, int16(s.state.Status))
	c.substatuses, c.priorities = append(c.substatuses, int16(s.state.Substatus)), append(c.priorities, int16(s.state.Priority))
	c.unhandled, c.firsts, c.lasts = append(c.unhandled, s.IsUnhandled), append(c.firsts, s.FirstSeen), append(c.lasts, s.LastSeen)
	resolution, err := optionalJSON(s.state.Resolution)
	if err != nil {
		return err
	}
	snooze, err := optionalJSON(s.state.Snooze)
	c.resolutions, c.snoozes = append(c.resolutions, resolution), append(c.snoozes, snooze)
	var at *time.Time
	if !s.state.StatusAt.IsZero() {
		at = &s.state.StatusAt
	}
	c.statusAts = append(c.statusAts, at)
	return err
}

func optionalJSON[T any](v *T) (*string, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	text := string(b)
	return &text, err
}

// queueIssues inserts the new issues and updates the others once each, in order of their keys.
func (r *recording) queueIssues(b *pgx.Batch) error {
	var made, known issueColumns
	var projects, ids []int64 // of issues that free text cannot find yet
	for _, ref := range slices.SortedFunc(maps.Keys(r.issues), compareRefs) {
		s := r.issues[ref]
		if len(s.records) == 0 {
			continue
		}
		c := &known
		if s.isNew {
			c = &made
		}
		if err := c.add(s); err != nil {
			return err
		}
		if s.isNew { // of others when they are folded
			projects, ids = append(projects, s.Project), append(ids, s.ID)
		}
	}
	if c := &made; len(c.ids) > 0 {
		b.Queue(sqlInsertIssues, pgx.StrictNamedArgs{"projects": c.projects, "ids": c.ids, "numbers": c.numbers, "types": c.types, "levels": c.levels,
			"platforms": c.platforms, "loggers": c.loggers, "titles": c.titles, "culprits": c.culprits, "metadata": c.metadata, "statuses": c.statuses,
			"substatuses": c.substatuses, "priorities": c.priorities, "unhandled": c.unhandled, "firsts": c.firsts, "lasts": c.lasts, "counts": c.counts,
			"first_releases": c.firstReleases, "last_releases": c.lastReleases, "assignees": c.assignees})
	}
	if c := &known; len(c.ids) > 0 {
		b.Queue(sqlUpdateIssues, pgx.StrictNamedArgs{"projects": c.projects, "ids": c.ids, "levels": c.levels, "platforms": c.platforms,
			"loggers": c.loggers, "titles": c.titles, "culprits": c.culprits, "metadata": c.metadata, "statuses": c.statuses, "substatuses": c.substatuses,
			"priorities": c.priorities, "unhandled": c.unhandled, "firsts": c.firsts, "lasts": c.lasts, "counts": c.counts, "last_releases": c.lastReleases,
			"resolutions": c.resolutions, "snoozes": c.snoozes, "status_ats": c.statusAts, "versions": c.versions})
	}
	if len(ids) > 0 {
		b.Queue(sqlIndexTexts, pgx.StrictNamedArgs{"projects": projects, "ids": ids})
	}
	return nil
}

func compareRefs(a, b issueRef) int {
	return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.id, b.id))
}

const (
	// A block is stored only with its dictionary at hand, whatever became of that since it was made.
	sqlInsertBlock = `
		insert into event_blocks (project_id, day, id, data)
		select @project, @day::date, @id, @data::bytea where @dictionary::bigint = 0
			or exists (select from event_dictionaries where project_id = @project and id = @dictionary and retired_at is null)`

	sqlInsertEvents = `
		insert into events (project_id, received_at, event_id, issue_id, occurred_at, block_id, block_index, level, platform, release, environment, user_key, hash)
		select n.project_id, n.received_at, n.event_id, n.issue_id, n.occurred_at, n.block_id, n.block_index, n.level, n.platform,
			nullif(n.release, ''), nullif(n.environment, ''), nullif(n.user_key, ''), n.hash
		from unnest(@projects::bigint[], @received::timestamptz[], @ids::uuid[], @issues::bigint[], @occurred::timestamptz[], @blocks::bigint[],
			@indexes::smallint[], @levels::smallint[], @platforms::text[], @releases::text[], @environments::text[], @users::text[], @hashes::bigint[])
			as n(project_id, received_at, event_id, issue_id, occurred_at, block_id, block_index, level, platform, release, environment, user_key, hash)`

	sqlInsertFacts = `insert into pending_facts (project_id, id, data, properties) values (@project, @id, @data, @properties)`

	sqlFirstEvent = `update projects set first_event_at = @at where id = @project and first_event_at is null`
)

func (r *recording) queueBlocks(b *pgx.Batch) {
	for _, block := range r.blocks {
		if block.used {
			b.Queue(sqlInsertBlock, pgx.StrictNamedArgs{"project": block.project, "day": block.day, "id": block.id, "data": block.data,
				"dictionary": block.dictionary}).Exec(func(tag pgconn.CommandTag) error {
				if tag.RowsAffected() == 0 {
					return errLostDictionary
				}
				return nil
			})
		}
	}
}

func (r *recording) queueEvents(b *pgx.Batch) {
	var projects, issues, blocks, hashes []int64
	var received, occurred []time.Time
	var ids []pgtype.UUID
	var indexes, levels []int16
	var platforms, releases, environments, users []string
	for _, ref := range slices.SortedFunc(maps.Keys(r.issues), compareRefs) {
		for _, rec := range r.issues[ref].records {
			if r.without[rec] {
				continue
			}
			at := r.places[rec]
			projects, issues, blocks = append(projects, rec.Project), append(issues, ref.id), append(blocks, at.block.id)
			received, occurred = append(received, rec.ReceivedAt), append(occurred, rec.OccurredAt)
			ids = append(ids, pgtype.UUID{Bytes: rec.ID, Valid: true})
			indexes, levels = append(indexes, int16(at.index)), append(levels, int16(rec.Level))
			platforms, releases = append(platforms, rec.Platform), append(releases, rec.Release)
			environments, users = append(environments, rec.Environment), append(users, rec.UserKey)
			hashes = append(hashes, shortHash(rec.Hashes[0]))
		}
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(sqlInsertEvents, pgx.StrictNamedArgs{"projects": projects, "received": received, "ids": ids, "issues": issues, "occurred": occurred,
		"blocks": blocks, "indexes": indexes, "levels": levels, "platforms": platforms, "releases": releases, "environments": environments, "users": users, "hashes": hashes})
}

const (
	sqlInsertActivities = `
		insert into activities (project_id, id, issue_id, type, data, created_at)
		select n.project_id, n.id, n.issue_id, n.type, n.data::jsonb, @now
		from unnest(@projects::bigint[], @ids::bigint[], @issues::bigint[], @types::text[], @data::text[]) as n(project_id, id, issue_id, type, data)`

	sqlInsertChanges = `
		insert into alert_outbox (project_id, id, change)
		select n.project_id, n.id, n.change::jsonb from unnest(@projects::bigint[], @ids::bigint[], @changes::text[]) as n(project_id, id, change)`
)

// queueHistory stores activities and the changes that rules are asked about.
func (r *recording) queueHistory(b *pgx.Batch) error {
	if n := len(r.acts); n > 0 {
		projects, ids, issues, types, data := make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n), make([]string, n)
		for i, a := range r.acts {
			text, err := json.Marshal(a.Data)
			if err != nil {
				return err
			}
			projects[i], ids[i], issues[i], types[i], data[i] = a.project, a.id, a.issue, string(a.Type), string(text)
		}
		b.Queue(sqlInsertActivities, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "issues": issues, "types": types, "data": data, "now": r.now})
	}
	if n := len(r.changes); n > 0 {
		projects, ids, changes := make([]int64, n), make([]int64, n), make([]string, n)
		for i := range r.changes {
			r.changes[i].Trace = r.trace
			text, err := json.Marshal(&r.changes[i])
			if err != nil {
				return err
			}
			projects[i], ids[i], changes[i] = r.changes[i].Project, r.changes[i].ID, string(text)
		}
		b.Queue(sqlInsertChanges, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "changes": changes})
	}
	return nil
}

const sqlAddOutcomes = `
	insert into outcomes as t (project_id, minute, key_id, category, outcome, reason, quantity)
	select * from unnest(@projects::bigint[], @minutes::timestamptz[], @keys::bigint[], @categories::smallint[], @kinds::smallint[], @reasons::text[], @counts::bigint[])
	on conflict (project_id, minute, key_id, category, outcome, reason) do update set quantity = t.quantity + excluded.quantity`

// queueOutcomes adds quantities to the ledger, rows ordered by key.
func queueOutcomes(b *pgx.Batch, tally map[outcome.Key]int64) {
	if len(tally) == 0 {
		return
	}
	sums := make(map[outcome.Key]int64, len(tally)) // reasons may become equal by what the column takes
	for k, n := range tally {
		k.Reason = clean(k.Reason, maxReason)
		sums[k] += n
	}
	var projects, keys, counts []int64
	var minutes []time.Time
	var categories, kinds []int16
	var reasons []string
	for _, k := range slices.SortedFunc(maps.Keys(sums), compareOutcomes) {
		projects, keys, counts = append(projects, k.Project), append(keys, k.KeyID), append(counts, sums[k])
		minutes, reasons = append(minutes, k.Minute), append(reasons, k.Reason)
		categories, kinds = append(categories, int16(k.Category)), append(kinds, int16(k.Kind))
	}
	b.Queue(sqlAddOutcomes, pgx.StrictNamedArgs{"projects": projects, "minutes": minutes, "keys": keys, "categories": categories,
		"kinds": kinds, "reasons": reasons, "counts": counts})
}

func compareOutcomes(a, b outcome.Key) int {
	return cmp.Or(cmp.Compare(a.Project, b.Project), a.Minute.Compare(b.Minute), cmp.Compare(a.KeyID, b.KeyID),
		cmp.Compare(a.Category, b.Category), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
}
