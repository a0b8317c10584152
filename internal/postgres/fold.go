package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/release"
)

const (
	foldRows    = 400     // batches that one fold takes
	foldEntries = 150_000 // facts after which it takes no more, which bounds its memory
)

// Folded is what one fold did.
type Folded struct {
	Batches int  // rows of pending_facts that are done
	Damaged int  // of which could not be read; their facts are lost, the events are not
	More    bool // there is at least as much to fold again
}

const sqlPendingFacts = `
	select project_id, id, data, properties from pending_facts
	order by project_id, id limit @limit for update skip locked`

const sqlFoldedFacts = `
	delete from pending_facts p using unnest(@projects::bigint[], @ids::bigint[]) as d(project_id, id)
	where p.project_id = d.project_id and p.id = d.id`

// FoldFacts adds waiting facts to the tables that count, each exactly once however many processes
// fold at the same time.
func (st *Store) FoldFacts(ctx context.Context) (Folded, error) {
	var done Folded
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			done, err = foldFacts(ctx, tx)
			return err
		})
	})
	if err != nil {
		return Folded{}, translate(err, "fold pending facts")
	}
	return done, nil
}

type pendingFacts struct {
	ProjectID, ID    int64
	Data, Properties []byte
}

func foldFacts(ctx context.Context, tx pgx.Tx) (done Folded, err error) {
	rows, _ := tx.Query(ctx, sqlPendingFacts, pgx.StrictNamedArgs{"limit": foldRows}) // Collect reports a failed Query
	pending, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pendingFacts])
	if err != nil || len(pending) == 0 {
		return done, err
	}
	byProject, properties := make(map[int64]*facts), make(map[int64][]issueTag)
	var projects, ids []int64
	entries := 0
	for _, p := range pending {
		if entries > foldEntries {
			break // the rest stays as it is
		}
		projects, ids = append(projects, p.ProjectID), append(ids, p.ID)
		f, err := readFacts(p.Data)
		if err != nil {
			done.Damaged++
			continue
		}
		if p.Properties != nil {
			list, err := readProperties(p.Properties)
			if err != nil {
				done.Damaged++ // what it counts is there
			}
			properties[p.ProjectID] = append(properties[p.ProjectID], list...)
			entries += len(list)
		}
		entries += len(f.tags)
		for _, h := range f.hashes {
			entries += 1 + len(h.users)
		}
		if have := byProject[p.ProjectID]; have != nil {
			have.merge(f)
		} else {
			byProject[p.ProjectID] = f
		}
	}
	asked, err := askedTags(ctx, tx, slices.Sorted(maps.Keys(byProject)))
	if err != nil {
		return done, err
	}
	b := &pgx.Batch{}
	spreads := make(map[int64][]*spread, len(byProject))
	for _, project := range slices.Sorted(maps.Keys(byProject)) {
		spreads[project] = newSpreads()
		byProject[project].queue(b, project, spreads[project])
		queueProperties(b, project, properties[project])
		queueTexts(b, project, byProject[project])
		if tags, asks := asked[project]; asks {
			if err := byProject[project].tell(b, project, tags); err != nil {
				return done, err
			}
		}
	}
	b.Queue(sqlFoldedFacts, pgx.StrictNamedArgs{"projects": projects, "ids": ids})
	done.Batches, done.More = len(ids), len(pending) == foldRows || len(ids) < len(pending)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return done, err
	}
	for _, project := range slices.Sorted(maps.Keys(byProject)) {
		if err := tellSpreads(ctx, tx, project, byProject[project], spreads[project]); err != nil {
			return done, err
		}
	}
	for _, project := range slices.Sorted(maps.Keys(byProject)) { // last, since it locks issues
		if err := foldHashes(ctx, tx, project, byProject[project].hashes); err != nil {
			return done, err
		}
	}
	return done, nil
}

const (
	sqlFoldHours = `
		insert into issue_hours as t (project_id, issue_id, hour, times_seen)
		select @project::bigint, d.* from unnest(@issues::bigint[], @hours::timestamptz[], @counts::bigint[]) as d
		on conflict (project_id, issue_id, hour) do update set times_seen = t.times_seen + excluded.times_seen`

	sqlFoldEnvironments = `
		with folded as (
			insert into issue_environments as t (project_id, issue_id, environment, times_seen, first_seen, last_seen)
			select @project::bigint, d.* from unnest(@issues::bigint[], @texts::text[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[]) as d
			on conflict (project_id, issue_id, environment) do update set times_seen = t.times_seen + excluded.times_seen,
				first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)
			returning issue_id, environment, xmax = 0 as made)
		select issue_id, environment from folded where made`

	sqlFoldReleases = `
		with folded as (
			insert into issue_releases as t (project_id, issue_id, release, times_seen, first_seen, last_seen)
			select @project::bigint, d.* from unnest(@issues::bigint[], @texts::text[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[]) as d
			on conflict (project_id, issue_id, release) do update set times_seen = t.times_seen + excluded.times_seen,
				first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)
			returning issue_id, release, xmax = 0 as made)
		select issue_id, release from folded where made`

	sqlFoldTags = `
		insert into issue_tags as t (project_id, issue_id, key, value, times_seen, first_seen, last_seen)
		select @project::bigint, d.* from unnest(@issues::bigint[], @keys::text[], @texts::text[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[]) as d
		on conflict (project_id, issue_id, key, value) do update set times_seen = t.times_seen + excluded.times_seen,
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`

	sqlFoldVersions = `
		insert into releases as t (project_id, version, times_seen, first_seen, last_seen, new_issues, sort_key, created_at)
		select @project::bigint, d.version, d.n, d.first, d.last, d.made, d.key, d.first
		from unnest(@texts::text[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[], @issues::bigint[], @keys::bytea[]) as d(version, n, first, last, made, key)
		on conflict (project_id, version) do update set times_seen = t.times_seen + excluded.times_seen, new_issues = t.new_issues + excluded.new_issues,
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`

	sqlFoldNames = `
		insert into environments as t (project_id, name, first_seen, last_seen)
		select @project::bigint, d.* from unnest(@texts::text[], @firsts::timestamptz[], @lasts::timestamptz[]) as d
		on conflict (project_id, name) do update set
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`
)

// queue adds the upserts of a project's facts to b, rows ordered by key. spreads, unless nil, get
// to know the environments and releases that are new to their issues.
func (f *facts) queue(b *pgx.Batch, project int64, spreads []*spread) {
	put := func(sql string, n int, args pgx.StrictNamedArgs) *pgx.QueuedQuery {
		if n == 0 {
			return new(pgx.QueuedQuery)
		}
		args["project"] = project
		return b.Queue(sql, args)
	}
	var c columns
	for _, k := range slices.SortedFunc(maps.Keys(f.hours), compareHours) {
		c.issues, c.counts = append(c.issues, k.issue), append(c.counts, f.hours[k])
		c.hours = append(c.hours, time.UnixMicro(k.hour))
	}
	put(sqlFoldHours, len(f.hours), pgx.StrictNamedArgs{"issues": c.issues, "hours": c.hours, "counts": c.counts})
	for i, t := range [...]struct {
		sql string
		m   map[issueText]span
	}{{sqlFoldEnvironments, f.environments}, {sqlFoldReleases, f.releases}} {
		c = columns{}
		for _, k := range slices.SortedFunc(maps.Keys(t.m), compareTexts) {
			c.issues, c.texts = append(c.issues, k.issue), append(c.texts, k.text)
			c.span(t.m[k])
		}
		queued := put(t.sql, len(t.m), pgx.StrictNamedArgs{"issues": c.issues, "texts": c.texts, "counts": c.counts, "firsts": c.firsts, "lasts": c.lasts})
		if spreads != nil {
			queued.Query(spreads[i].collect)
		}
	}
	c = columns{}
	for _, k := range slices.SortedFunc(maps.Keys(f.tags), compareTags) {
		c.issues, c.keys, c.texts = append(c.issues, k.issue), append(c.keys, k.key), append(c.texts, k.value)
		c.span(f.tags[k])
	}
	put(sqlFoldTags, len(f.tags), pgx.StrictNamedArgs{"issues": c.issues, "keys": c.keys, "texts": c.texts, "counts": c.counts, "firsts": c.firsts, "lasts": c.lasts})
	c = columns{}
	for _, k := range slices.Sorted(maps.Keys(f.versions)) {
		c.texts, c.issues, c.sorts = append(c.texts, k), append(c.issues, f.versions[k].newIssues), append(c.sorts, release.SortKey(k))
		c.span(f.versions[k].span)
	}
	put(sqlFoldVersions, len(f.versions), pgx.StrictNamedArgs{"texts": c.texts, "counts": c.counts, "firsts": c.firsts, "lasts": c.lasts, "issues": c.issues, "keys": c.sorts})
	c = columns{}
	for _, k := range slices.Sorted(maps.Keys(f.names)) {
		c.texts = append(c.texts, k)
		c.span(f.names[k])
	}
	put(sqlFoldNames, len(f.names), pgx.StrictNamedArgs{"texts": c.texts, "firsts": c.firsts, "lasts": c.lasts})
}

// columns are the arrays that a statement unnests.
type columns struct {
	issues, counts       []int64
	keys, texts          []string
	hours, firsts, lasts []time.Time
	sorts                [][]byte
}

func (c *columns) span(s span) {
	c.counts = append(c.counts, s.n)
	c.firsts, c.lasts = append(c.firsts, time.UnixMicro(s.first)), append(c.lasts, time.UnixMicro(s.last))
}

func compareHours(a, b issueHour) int {
	return cmp.Or(cmp.Compare(a.issue, b.issue), cmp.Compare(a.hour, b.hour))
}

func compareTexts(a, b issueText) int {
	return cmp.Or(cmp.Compare(a.issue, b.issue), cmp.Compare(a.text, b.text))
}

func compareTags(a, b issueTag) int {
	return cmp.Or(cmp.Compare(a.issue, b.issue), cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value))
}
