package postgres

import (
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// windowCounts are the stored events of an issue within the windows of its snooze, to which the
// batch's own are added one by one.
type windowCounts struct {
	seen  int64
	users map[string]struct{} // who were affected, as many as the snooze asks for
}

// with counts one more event.
func (w *windowCounts) with(rec *Record) (seen, users int64) {
	if w.users == nil {
		return 0, 0
	}
	w.seen++
	if rec.UserKey != "" {
		w.users[rec.UserKey] = struct{}{}
	}
	return w.seen, int64(len(w.users))
}

// The counts stop where they are enough.
const sqlWindows = `
	select w.project_id, w.issue_id,
		(select count(*) from (select from events e where e.project_id = w.project_id and e.issue_id = w.issue_id and e.received_at > @now::timestamptz - w.minutes * interval '1 minute' limit @most) as c),
		array(select distinct e.user_key from events e where e.project_id = w.project_id and e.issue_id = w.issue_id
			and e.received_at > @now::timestamptz - w.user_minutes * interval '1 minute' and e.user_key is not null limit @most_users)
	from unnest(@projects::bigint[], @issues::bigint[], @minutes::bigint[], @user_minutes::bigint[])
		as w(project_id, issue_id, minutes, user_minutes)`

// queueWindows counts the recent events of the batch's issues that are archived until there are so
// many of them within a while.
func (r *recording) queueWindows(b *pgx.Batch) {
	var projects, ids, minutes, counts, userMinutes, userCounts []int64
	for _, ref := range slices.SortedFunc(maps.Keys(r.issues), compareRefs) {
		s := r.issues[ref]
		z := s.state.Snooze
		if s.state.Status != issue.Archived || z == nil || z.Window == 0 && z.UserWindow == 0 || len(s.records) == 0 {
			continue
		}
		s.window.users = map[string]struct{}{}
		projects, ids = append(projects, ref.project), append(ids, ref.id)
		minutes, counts = append(minutes, z.Window), append(counts, z.Count)
		userMinutes, userCounts = append(userMinutes, z.UserWindow), append(userCounts, z.UserCount)
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(sqlWindows, pgx.StrictNamedArgs{"now": r.now, "projects": projects, "issues": ids, "minutes": minutes,
		"user_minutes": userMinutes,
		"most":         slices.Max(counts) + 1, "most_users": slices.Max(userCounts) + 1}).Query(func(rows pgx.Rows) error {
		var ref issueRef
		var seen int64
		var users []string
		_, err := pgx.ForEachRow(rows, []any{&ref.project, &ref.id, &seen, &users}, func() error {
			w := &r.issues[ref].window
			w.seen = seen
			for _, u := range users {
				w.users[u] = struct{}{}
			}
			return nil
		})
		return err
	})
}

// MaxWindow is the longest window of a snooze.
const MaxWindow = 7 * 24 * time.Hour
