package postgres

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/job"
)

const (
	// The sums of hashes, and the facts of the project that wait to be added to them, at one moment.
	sqlCountedOfIssues = `
		select h.issue_id, h.hash, c.times_seen, c.first_seen, c.last_seen, c.users, null::bytea
		from issue_hashes h left join hash_counts c on c.project_id = h.project_id and c.hash = h.hash
		where h.project_id = @project and h.issue_id = any(@issues::bigint[])
		union all
		select 0, null, null, null, null, null, data from pending_facts where project_id = @project`

	sqlSetCounts = `
		update issues i set times_seen = d.n, first_seen = coalesce(d.first, i.first_seen), last_seen = coalesce(d.last, i.last_seen), user_count = d.users, version = i.version + 1
		from unnest(@issues::bigint[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[], @users::bigint[]) as d(id, n, first, last, users)
		where i.project_id = @project and i.id = d.id`
)

// counted is what all hashes of an issue amount to.
type counted struct {
	hashFacts
	sketch userSketch
}

// countedOf sums what was counted under the hashes of issues. Their rows are locked, so that
// nothing is added meanwhile.
func countedOf(ctx context.Context, tx pgx.Tx, project int64, issues []int64) (map[int64]*counted, error) {
	rows, _ := tx.Query(ctx, sqlCountedOfIssues, pgx.StrictNamedArgs{"project": project, "issues": issues}) // ForEachRow reports a failed Query
	sums, owners := make(map[int64]*counted), make(map[[16]byte]int64)
	for _, id := range issues {
		sums[id] = &counted{hashFacts{users: map[int64]struct{}{}}, newSketch()}
	}
	var waiting [][]byte
	var id int64
	var hash, users, data []byte
	var n *int64
	var first, last *time.Time
	_, err := pgx.ForEachRow(rows, []any{&id, &hash, &n, &first, &last, &users, &data}, func() error {
		if id == 0 {
			waiting = append(waiting, slices.Clone(data))
			return nil
		}
		owners[[16]byte(hash)] = id
		if n != nil && *n > 0 {
			sums[id].span = sums[id].add(span{*n, first.UnixMicro(), last.UnixMicro()})
			sums[id].sketch.join(readSketch(users))
		}
		return nil
	})
	for _, data := range waiting {
		f, err := readFacts(data)
		if err != nil {
			continue // the fold reports it
		}
		for h, facts := range f.hashes {
			if owner := owners[h]; owner != 0 {
				sums[owner].merge(facts)
			}
		}
	}
	for _, c := range sums {
		c.sketch.add(c.users)
	}
	return sums, err
}

// recount sets the counts of issues to what their hashes amount to. Their rows are locked.
func recount(ctx context.Context, tx pgx.Tx, project int64, issues []int64) error {
	sums, err := countedOf(ctx, tx, project, issues)
	if err != nil {
		return err
	}
	counts, users := make([]int64, len(issues)), make([]int64, len(issues))
	firsts, lasts := make([]*time.Time, len(issues)), make([]*time.Time, len(issues))
	for i, id := range issues {
		c := sums[id]
		counts[i], users[i] = c.n, int64(c.sketch.Estimate())
		if c.n > 0 {
			firsts[i], lasts[i] = new(time.UnixMicro(c.first).UTC()), new(time.UnixMicro(c.last).UTC())
		}
	}
	_, err = tx.Exec(ctx, sqlSetCounts, pgx.StrictNamedArgs{"project": project, "issues": issues, "counts": counts, "firsts": firsts, "lasts": lasts, "users": users})
	return err
}

const (
	sqlMoveHashesOfIssues = `update issue_hashes set issue_id = @target where project_id = @project and issue_id = any(@issues::bigint[])`

	sqlRedirect = `
		insert into issue_redirects as r (project_id, issue_id, number, target_id)
		select project_id, id, number, @target from issues where project_id = @project and id = any(@issues::bigint[])
		on conflict (project_id, issue_id) do update set target_id = excluded.target_id`

	sqlRedirectAgain = `update issue_redirects set target_id = @target where project_id = @project and target_id = any(@issues::bigint[])`

	// The ends of the merged row of releases: of the issue that was seen first, and last.
	sqlMergeReleases = `
		update issues t set
			first_release = (select s.first_release from issues s where s.project_id = @project and s.id = any(@all::bigint[]) and s.first_release is not null order by s.first_seen limit 1),
			last_release = (select s.last_release from issues s where s.project_id = @project and s.id = any(@all::bigint[]) and s.last_release is not null order by s.last_seen desc limit 1)
		where t.project_id = @project and t.id = @target`
)

// MergeIssues makes one issue of several of a project: of the one with most events, of those the
// newest, which is returned. Events of any of them are its own from now on; the ids of the others
// lead to it; a job moves the events they have. fault.Invalid: there are fewer than two, or one is
// no error.
func (st *Store) MergeIssues(ctx context.Context, project int64, ids []int64, user int64) (target int64, j job.Job, err error) {
	if len(ids) > MaxChanged {
		return 0, j, fault.New(fault.TooLarge, "at most %d issues are merged at once", MaxChanged)
	}
	var id int64
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			target, id, err = mergeIssues(ctx, tx, project, ids, user)
			return err
		})
	})
	if err != nil {
		return 0, j, translate(err, "merge issues of project %d", project)
	}
	j, err = st.Job(ctx, project, id)
	return target, j, err
}

func mergeIssues(ctx context.Context, tx pgx.Tx, project int64, ids []int64, user int64) (target, id int64, err error) {
	list, err := lockForJob(ctx, tx, project, ids)
	if err != nil {
		return 0, 0, err
	}
	if len(list) < 2 {
		return 0, 0, fault.New(fault.Invalid, "At least two issues of one project are needed to merge.")
	}
	for _, row := range list {
		if row.kind == string(event.TypeTransaction) || row.kind == string(event.TypeFeedback) {
			return 0, 0, fault.New(fault.Invalid, "Only error issues can be merged.")
		}
	}
	slices.SortFunc(list, func(a, b lockedIssue) int {
		return cmp.Or(cmp.Compare(b.timesSeen, a.timesSeen), cmp.Compare(b.id, a.id))
	})
	args := job.Args{Target: list[0].id}
	var merged []map[string]string
	for _, row := range list[1:] {
		args.Issues = append(args.Issues, row.id)
		merged = append(merged, map[string]string{"id": strconv.FormatInt(row.id, 10)})
	}
	named := pgx.StrictNamedArgs{"project": project, "issues": args.Issues, "target": args.Target}
	for _, sql := range []string{sqlMoveHashesOfIssues, sqlRedirect, sqlRedirectAgain} {
		if _, err := tx.Exec(ctx, sql, named); err != nil {
			return 0, 0, err
		}
	}
	all := append([]int64{args.Target}, args.Issues...)
	if _, err := tx.Exec(ctx, sqlMergeReleases, pgx.StrictNamedArgs{"project": project, "all": all, "target": args.Target}); err != nil {
		return 0, 0, err
	}
	if _, err := tx.Exec(ctx, sqlDeleteIssues, pgx.StrictNamedArgs{"project": project, "ids": args.Issues}); err != nil {
		return 0, 0, err
	}
	if err := recount(ctx, tx, project, []int64{args.Target}); err != nil {
		return 0, 0, err
	}
	if err := writeActivity(ctx, tx, project, args.Target, user, issue.Activity{Type: issue.ActivityMerge, Data: map[string]any{"issues": merged}}); err != nil {
		return 0, 0, err
	}
	id, err = insertJob(ctx, tx, project, job.Merge, args, jobState{}, user)
	return args.Target, id, err
}

func writeActivity(ctx context.Context, tx pgx.Tx, project, id, user int64, a issue.Activity) error {
	data, err := optionalJSON(&a.Data)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlInsertActivity, pgx.StrictNamedArgs{"project": project, "id": NewID(), "issue": id, "type": string(a.Type),
		"user": user, "data": *data, "at": time.Now().UTC()})
	return err
}

const sqlMoveEvents = `
	update events e set issue_id = @target from (
		select received_at, event_id from events where project_id = @project and issue_id = any(@issues::bigint[])
		order by issue_id, received_at, event_id limit @limit) as d
	where e.project_id = @project and e.received_at = d.received_at and e.event_id = d.event_id`

// moveEvents is how many events one chunk gives another issue at most.
const moveEvents = 2000

// mergeStep gives the target what the merged issues have.
func (w *jobWork) mergeStep(ctx context.Context) error {
	if settled, err := w.settle(ctx); err != nil || !settled {
		return err
	}
	if w.Total == 0 {
		if err := w.st.db.QueryRow(ctx, sqlCountEvents, pgx.StrictNamedArgs{"project": w.Project, "ids": w.Args.Issues}).Scan(&w.Total); err != nil {
			return translate(err, "count events")
		}
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		args := pgx.StrictNamedArgs{"project": w.Project, "issues": w.Args.Issues, "target": w.Args.Target, "limit": w.chunk(moveEvents)}
		if w.state.Phase == 0 {
			tag, err := tx.Exec(ctx, sqlMoveEvents, args)
			if w.Done += tag.RowsAffected(); err != nil || tag.RowsAffected() > 0 {
				return err
			}
			w.state.Phase = 1
		}
		for ; w.state.Index < len(issueTables); w.state.Index++ {
			t := issueTables[w.state.Index]
			sql, named := t.move, args
			if sql == "" {
				sql, named = t.remove, pgx.StrictNamedArgs{"project": w.Project, "issues": w.Args.Issues, "limit": w.chunk(moveEvents)}
			}
			tag, err := tx.Exec(ctx, sql, named)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
		}
		return w.recounted(ctx, tx, []int64{w.Args.Target}, map[string]any{"events": w.Done, "issue": strconv.FormatInt(w.Args.Target, 10)})
	})
}

// recounted ends a job with right counts of its issues, whatever came while it ran.
func (w *jobWork) recounted(ctx context.Context, tx pgx.Tx, issues []int64, result map[string]any) error {
	list, err := lockForJob(ctx, tx, w.Project, issues)
	if err != nil {
		return err
	}
	var left []int64
	for _, row := range list {
		left = append(left, row.id)
	}
	if err := recount(ctx, tx, w.Project, left); err != nil {
		return err
	}
	return w.finish(result)
}

const (
	sqlMoveHashes = `
		update issue_hashes set issue_id = @target where project_id = @project and issue_id = @source and hash = any(@hashes::bytea[])`

	sqlCountHashes = `select count(*) from issue_hashes where project_id = @project and issue_id = @source`

	sqlNextNumber = `update projects set issue_count = issue_count + 1 where id = @project returning issue_count`

	sqlSplitIssue = `
		insert into issues (project_id, id, number, type, level, platform, logger, title, culprit, metadata, status, substatus, priority,
			is_unhandled, first_seen, last_seen, times_seen)
		select project_id, @target, @number, type, level, platform, logger, title, culprit, metadata, @unresolved, @ongoing, priority,
			is_unhandled, first_seen, last_seen, 0 from issues where project_id = @project and id = @source`
)

// UnmergeIssue takes hashes out of an issue and makes a new issue of them, which is returned. Its
// counts are right at once; a job moves its events. fault.Invalid: the issue does not own a hash,
// would own none, or has no event under them.
func (st *Store) UnmergeIssue(ctx context.Context, project, source int64, hashes []grouping.Hash, user int64) (target int64, j job.Job, err error) {
	var id int64
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			target, id, err = unmergeIssue(ctx, tx, project, source, hashes, user)
			return err
		})
	})
	if err != nil {
		return 0, j, translate(err, "unmerge issue %d", source)
	}
	j, err = st.Job(ctx, project, id)
	return target, j, err
}

func unmergeIssue(ctx context.Context, tx pgx.Tx, project, source int64, hashes []grouping.Hash, user int64) (target, id int64, err error) {
	list, err := lockForJob(ctx, tx, project, []int64{source})
	if err != nil {
		return 0, 0, err
	}
	if len(list) == 0 {
		return 0, 0, errNoResource()
	}
	target = NewID()
	named := pgx.StrictNamedArgs{"project": project, "source": source, "target": target}
	raw, texts := make([][]byte, len(hashes)), make([]string, len(hashes))
	for i := range hashes {
		raw[i], texts[i] = hashes[i][:], hashes[i].String()
	}
	tag, err := tx.Exec(ctx, sqlMoveHashes, pgx.StrictNamedArgs{"project": project, "source": source, "target": target, "hashes": raw})
	if err != nil {
		return 0, 0, err
	}
	if tag.RowsAffected() < int64(len(hashes)) {
		return 0, 0, fault.New(fault.Invalid, "The issue does not own every one of these hashes.")
	}
	var left, number int64
	if err := tx.QueryRow(ctx, sqlCountHashes, pgx.StrictNamedArgs{"project": project, "source": source}).Scan(&left); err != nil {
		return 0, 0, err
	}
	if left == 0 {
		return 0, 0, fault.New(fault.Invalid, "An issue keeps at least one of its hashes.")
	}
	if err := tx.QueryRow(ctx, sqlNextNumber, pgx.StrictNamedArgs{"project": project}).Scan(&number); err != nil {
		return 0, 0, err
	}
	named["number"], named["unresolved"], named["ongoing"] = number, int16(issue.Unresolved), int16(issue.Ongoing)
	if _, err := tx.Exec(ctx, sqlSplitIssue, named); err != nil {
		return 0, 0, err
	}
	if err := indexTexts(ctx, tx, project, target); err != nil {
		return 0, 0, err
	}
	sums, err := countedOf(ctx, tx, project, []int64{target})
	if err != nil {
		return 0, 0, err
	}
	if sums[target].n == 0 {
		return 0, 0, fault.New(fault.Invalid, "No event of the issue was grouped by these hashes.")
	}
	if err := recount(ctx, tx, project, []int64{source, target}); err != nil {
		return 0, 0, err
	}
	for _, a := range []struct {
		issue int64
		kind  issue.ActivityType
		data  map[string]any
	}{
		{source, issue.ActivityUnmergeSource, map[string]any{"fingerprints": texts, "destination": map[string]string{"id": strconv.FormatInt(target, 10)}}},
		{target, issue.ActivityUnmergeDestination, map[string]any{"fingerprints": texts, "source": map[string]string{"id": strconv.FormatInt(source, 10)}}},
	} {
		if err := writeActivity(ctx, tx, project, a.issue, user, issue.Activity{Type: a.kind, Data: a.data}); err != nil {
			return 0, 0, err
		}
	}
	id, err = insertJob(ctx, tx, project, job.Unmerge, job.Args{Target: target, Hashes: texts}, jobState{Source: source}, user)
	return target, id, err
}

const sqlPlacesOfHashes = `
	select ` + placeColumns + ` from events where project_id = @project and issue_id = @source and hash = any(@hashes::bigint[])
		and (received_at, event_id) > (@at::timestamptz, @event::uuid)
	order by received_at, event_id limit @limit`

// unmergeStep moves events of the hashes that left, with what was counted of each.
func (w *jobWork) unmergeStep(ctx context.Context) error {
	if settled, err := w.settle(ctx); err != nil || !settled {
		return err
	}
	short := make([]int64, len(w.Args.Hashes))
	for i, text := range w.Args.Hashes {
		h, err := hex.DecodeString(text)
		if err != nil || len(h) != 16 {
			return fault.New(fault.Internal, "a hash of job %d is malformed", w.ID)
		}
		short[i] = shortHash([16]byte(h))
	}
	rows, _ := w.st.db.Query(ctx, sqlPlacesOfHashes, pgx.StrictNamedArgs{"project": w.Project, "source": w.state.Source, "hashes": short,
		"at": w.state.At, "event": [16]byte(w.state.Event), "limit": w.chunk(readEvents)}) // Collect reports a failed Query
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPlace])
	if err != nil {
		return translate(err, "find events of hashes")
	}
	if len(places) > 0 {
		moves := make([]transfer, 0, len(places))
		events, err := w.decode(ctx, places)
		if err != nil {
			return err
		}
		for i := range events {
			moves = append(moves, transfer{place: places[i], event: events[i], to: w.Args.Target, hash: places[i].Hash})
		}
		return w.commit(ctx, func(tx pgx.Tx) error {
			last := places[len(places)-1]
			w.state.At, w.state.Event, w.Done = last.ReceivedAt, last.Event.Bytes, w.Done+int64(len(places))
			return w.move(ctx, tx, moves)
		})
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		both := []int64{w.state.Source, w.Args.Target}
		for _, id := range both {
			if err := w.describe(ctx, tx, id); err != nil {
				return err
			}
		}
		if err := w.forgetEmpty(ctx, tx, []int64{w.state.Source}); err != nil {
			return err
		}
		return w.recounted(ctx, tx, both, map[string]any{"events": w.Done, "issue": strconv.FormatInt(w.Args.Target, 10)})
	})
}
