// Package seed fills a project with as many issues and events as a large one has after years,
// faster than sending them: rows are made in Postgres, counts and events of an issue alike in size.
// Payloads are those of one real event of the project.
package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Size is what a project is filled with.
type Size struct {
	Issues int
	Events int // over Days, most of them of few issues
}

// Days is over how many days, today the last, events are spread.
const Days = 14

// Fill adds issues and events to a project that has at least one event, which is the one all
// payloads are copies of. say is told what is being made.
func Fill(ctx context.Context, url string, project int64, size Size, say func(string)) error {
	st, err := postgres.Open(ctx, url, postgres.Options{Name: "seed", MaxConns: 2})
	if err != nil {
		return err
	}
	defer st.Close()
	now := time.Now().UTC()
	today := now.Truncate(24 * time.Hour)
	for _, day := range []time.Time{now.AddDate(0, 0, -Days), now.AddDate(0, 0, -Days/2), now} {
		if err := st.EnsurePartitions(ctx, day); err != nil {
			return err
		}
	}
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	// What is lost in a crash is made again, and no statement here is one of a page.
	if _, err := db.Exec(ctx, "set synchronous_commit = off; set statement_timeout = 0; set work_mem = '256MB'; set maintenance_work_mem = '256MB'"); err != nil {
		return err
	}
	f := filler{db: db, args: pgx.NamedArgs{"project": project, "issues": size.Issues, "events": size.Events, "days": Days, "today": today, "now": now}}
	for _, step := range steps {
		say(step.what)
		if err := f.run(ctx, step.sql); err != nil {
			return fmt.Errorf("make %s: %w", step.what, err)
		}
	}
	for day := range Days {
		say(fmt.Sprintf("events of day %d of %d", day+1, Days))
		midnight := today.AddDate(0, 0, day-Days+1)
		f.args["day"], f.args["midnight"], f.args["seconds"] = day, midnight, min(86_000, now.Sub(midnight).Seconds())
		if err := f.run(ctx, sqlEvents); err != nil {
			return fmt.Errorf("make events of day %d: %w", day+1, err)
		}
	}
	say("statistics")
	_, err = db.Exec(ctx, "analyze")
	return err
}

type filler struct {
	db   *pgx.Conn
	args pgx.NamedArgs
}

func (f *filler) run(ctx context.Context, sql string) error {
	_, err := f.db.Exec(ctx, sql, f.args)
	return err
}

// Issue i of n has the share of events that lies between the fourth roots of its neighbours' places,
// so that the first hundredth of issues has a third of all events. One issue's id is its place.
var steps = []struct{ what, sql string }{
	{"words", `
		create temporary table words as select
			array['cart', 'order', 'price', 'token', 'queue', 'batch', 'index', 'parcel', 'invoice', 'coupon', 'session', 'upload', 'media', 'search', 'profile', 'ledger'] as w,
			array['TypeError', 'ValueError', 'TimeoutError', 'KeyError', 'NullPointerException', 'IntegrityError', 'ConnectionError', 'RangeError'] as t`},
	{"payloads of every day", `
		insert into event_blocks (project_id, day, id, data)
		select b.project_id, d::date, b.id, b.data
		from (select b.* from events e join event_blocks b on b.project_id = e.project_id and b.day = (e.received_at at time zone 'UTC')::date and b.id = e.block_id
			where e.project_id = @project order by e.received_at limit 1) as b,
			generate_series(@today::timestamptz - (@days::int - 1) * interval '1 day', @today::timestamptz, interval '1 day') as d
		on conflict do nothing`},
	{"releases and environments", `
		with made as (
			insert into environments (project_id, name, first_seen, last_seen)
			select @project, n, @now::timestamptz - interval '30 days', @now from unnest(array['production', 'staging', 'canary', 'development']) as n
			on conflict do nothing)
		insert into releases (project_id, version, first_seen, last_seen, times_seen, new_issues)
		select @project, 'shop@3.' || r || '.0', @now::timestamptz - (200 - r) * interval '3 hours', @now, @events::bigint / 200, @issues::bigint / 200
		from generate_series(0, 199) as r on conflict do nothing`},
	{"issues", `
		insert into issues (project_id, id, number, type, level, platform, logger, title, culprit, metadata, status, substatus, priority, is_unhandled,
			first_seen, last_seen, times_seen, user_count, first_release, last_release, initial_priority, status_at)
		select @project, i, i + (select issue_count from projects where id = @project), 'error', case when i % 11 = 0 then 30 else 40 end, 'python', 'shop.' || word,
			title, culprit, jsonb_build_object('type', kind, 'value', value, 'filename', 'shop/' || word || '.py', 'function', 'handle_' || word, 'title', title, 'culprit', culprit),
			case when i % 7 = 3 then 1 when i % 19 = 5 then 2 else 0 end, case when i % 7 = 3 then 0 when i % 19 = 5 then 5 else 3 end, 25 * (1 + i % 3), i % 3 = 0,
			last - (1 + (h >> 8) % 500) * interval '1 hour', last, n, least(n, 1 + (h >> 3) % 900), 'shop@3.' || (h >> 5) % 100 || '.0', 'shop@3.' || 100 + (h >> 5) % 100 || '.0',
			25 * (1 + i % 3), case when i % 7 = 3 or i % 19 = 5 then last end
		from words, generate_series(1, @issues::bigint) as i,
			lateral (select hashint8extended(i, 1) & 9223372036854775807 as h) as a,
			lateral (select t[1 + h % 8] as kind, w[1 + (h >> 4) % 16] as word, w[1 + (h >> 9) % 16] as other) as b,
			lateral (select 'cannot read ' || other || ' of ' || word || ' in step ' || to_hex(i) as value, 'shop.' || word || ' in handle_' || other as culprit) as c,
			lateral (select kind || ': ' || value as title) as d,
			lateral (select @now::timestamptz - (h % 1000) / 1000.0 * ((h >> 12) % 1000) / 1000.0 * @days::int * interval '1 day' as last,
				greatest(1, round(@events::float8 * (power(i / @issues::float8, 0.25) - power((i - 1) / @issues::float8, 0.25))))::bigint as n) as e`},
	{"their numbers", `update projects set issue_count = issue_count + @issues::bigint where id = @project`},
	{"their words", `
		insert into issue_texts (project_id, issue_id, search_text)
		select project_id, id, search_text from issues where project_id = @project on conflict do nothing`},
	{"hashes", `
		insert into issue_hashes (project_id, hash, issue_id)
		select @project, decode(md5('seed' || i), 'hex'), i from generate_series(1, @issues::bigint) as i`},
	{"counts by environment", `
		insert into issue_environments (project_id, issue_id, environment, times_seen, first_seen, last_seen)
		select project_id, id, e, times_seen, first_seen, last_seen from issues, unnest(array['production', 'staging']) as e
		where project_id = @project and id <= @issues::bigint and (e = 'production' or id % 4 = 0)`},
	{"counts by release", `
		insert into issue_releases (project_id, issue_id, release, times_seen, first_seen, last_seen)
		select project_id, id, r, times_seen, first_seen, last_seen from issues, lateral (select first_release as r union select last_release) as x
		where project_id = @project and id <= @issues::bigint`},
	{"counts by hour", `
		insert into issue_hours (project_id, issue_id, hour, times_seen)
		select project_id, id, date_trunc('hour', last_seen) - h * interval '1 hour', greatest(1, times_seen / least(times_seen, 336))
		from issues, generate_series(0, least(times_seen, 336) - 1, case when times_seen > 336 then 1 else 3 end) as h
		where project_id = @project and id <= @issues::bigint`},
	{"tags", `
		insert into issue_tags (project_id, issue_id, key, value, times_seen, first_seen, last_seen)
		select project_id, id, key, value, times_seen, first_seen, last_seen from issues,
			unnest(array['environment', 'browser.name', 'os.name', 'tenant', 'region'],
				array['production', (array['Chrome', 'Firefox', 'Safari', 'Edge'])[1 + id % 4], (array['Windows', 'Linux', 'macOS'])[1 + id % 3], 't' || id % 997, (array['eu', 'us', 'ap'])[1 + id % 3]]) as x(key, value)
		where project_id = @project and id <= @issues::bigint`},
	{"properties", `
		insert into issue_properties (project_id, issue_id, key, value)
		select project_id, id, key, value from issues,
			unnest(array['error.type', 'stack.function', 'stack.module'], array[metadata ->> 'type', metadata ->> 'function', logger]) as x(key, value)
		where project_id = @project and id <= @issues::bigint`},
	{"the ledger", `
		insert into outcomes (project_id, minute, key_id, category, outcome, reason, quantity)
		select @project, m, (select min(id) from client_keys where project_id = @project), o.category, o.outcome, '', greatest(1, @events::bigint / (@days::int * 24))
		from (select category, outcome from outcomes where project_id = @project and reason = '' order by minute limit 1) as o,
			generate_series(@today::timestamptz - (@days::int - 1) * interval '1 day', @now::timestamptz - interval '2 hours', interval '1 hour') as m
		on conflict do nothing`},
}

// Ids of events ascend within a day and are spread over all there are, as random ones would be.
const sqlEvents = `
	with s as (
		insert into event_seen (project_id, event_id, received_at)
		select @project, (lpad(to_hex(n * (9223372036854775807 / (@events::bigint + @days::int))), 16, '0') || '8000000000000000')::uuid,
			@midnight::timestamptz + (n / @days::int) * (@seconds::float8 / (@events::bigint / @days::int + 1)) * interval '1 second'
		from generate_series(@day::bigint, @events::bigint - 1, @days::bigint) as n
		returning project_id, event_id, received_at)
	insert into events (project_id, received_at, event_id, issue_id, occurred_at, block_id, block_index, level, platform, release, environment, user_key, hash)
	select s.project_id, s.received_at, s.event_id, i, s.received_at, b.block_id, b.block_index, 40, 'python', 'shop@3.' || 100 + i % 100 || '.0',
		case when i % 4 = 0 and h % 5 = 0 then 'staging' else 'production' end, 'id:' || (h >> 20) % 5000,
		('x' || substr(md5('seed' || i), 1, 16))::bit(64)::bigint
	from s cross join lateral (select hashint8extended(('x' || substr(s.event_id::text, 1, 8) || substr(s.event_id::text, 10, 4) || substr(s.event_id::text, 15, 4))::bit(64)::bigint, 2) & 9223372036854775807 as h) as x
	cross join lateral (select 1 + floor(@issues::float8 * power((h % 1000000000) / 1e9::float8, 4))::bigint as i) as y
	cross join (select block_id, block_index from events where project_id = @project order by received_at limit 1) as b`
