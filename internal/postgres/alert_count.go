package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

const (
	// MaxCounted is how many events of a window are counted for a rule that names no number to stop at.
	MaxCounted = 200_000
	// maxUserEvents is how many of the latest events of a window are looked at for their users.
	maxUserEvents = 200_000
	// maxStop is the largest number to stop at, in windows shorter than countedByHours.
	maxStop = 2_000_000
	// countsPerStatement bounds how long one statement takes.
	countsPerStatement = 64
	// countedByHours is from which length on a window's events are taken from the counts by the hour.
	countedByHours = 24 * time.Hour
)

// Counting stops where the answer cannot change any more. Of long windows only the ends are counted
// event by event; the whole hours between them are in issue_hours.
const sqlCountForAlerts = `
	select w.at, case
		when w.of_users then (select count(*) from (
			select distinct user_key from (
				select e.user_key from events e where e.project_id = @project and e.issue_id = w.issue_id
					and e.received_at > @oldest and e.received_at <= @newest and e.received_at > w.since and e.received_at <= w.until
					and (w.environment = '' or e.environment = w.environment) and e.user_key is not null
				order by e.received_at desc limit @most) as latest
			limit w.most) as found)
		when w.whole_from < w.whole_until then (
			select coalesce(sum(h.times_seen), 0)::bigint from issue_hours h
			where h.project_id = @project and h.issue_id = w.issue_id and h.hour >= w.whole_from and h.hour < w.whole_until) + (
			select count(*) from (select from events e where e.project_id = @project and e.issue_id = w.issue_id
				and e.received_at > @oldest and e.received_at <= @newest
				and (e.received_at > w.since and e.received_at < w.whole_from or e.received_at >= w.whole_until and e.received_at <= w.until)
				limit w.most) as ends)
		else (select count(*) from (select from events e where e.project_id = @project and e.issue_id = w.issue_id
			and e.received_at > @oldest and e.received_at <= @newest and e.received_at > w.since and e.received_at <= w.until
			and (w.environment = '' or e.environment = w.environment) limit w.most) as found)
		end
	from unnest(@issues::bigint[], @users::boolean[], @environments::text[], @sinces::timestamptz[], @untils::timestamptz[],
		@whole_froms::timestamptz[], @whole_untils::timestamptz[], @limits::bigint[])
		with ordinality as w(issue_id, of_users, environment, since, until, whole_from, whole_until, most, at)`

// AlertCount asks for a number of events or users of an issue. Limit is where counting may stop; 0:
// at MaxCounted.
type AlertCount struct {
	Issue issue.ID
	alert.Count
	Limit int64
}

// CountForAlerts counts for the rules of a project, in the order of the questions.
func (st *Store) CountForAlerts(ctx context.Context, projectID int64, asked []AlertCount, now time.Time) ([]float64, error) {
	found := make([]float64, 0, len(asked))
	err := st.read(ctx, func(tx pgx.Tx) error {
		for part := range slices.Chunk(asked, countsPerStatement) {
			answers := make([]float64, len(part))
			rows, _ := tx.Query(ctx, sqlCountForAlerts, countArgs(projectID, part, now)) // ForEachRow reports a failed Query
			var at, n int64
			if _, err := pgx.ForEachRow(rows, []any{&at, &n}, func() error {
				answers[at-1] = float64(n)
				return nil
			}); err != nil {
				return err
			}
			found = append(found, answers...)
		}
		return nil
	})
	return found, translate(err, "count for alerts in project %d", projectID)
}

// countArgs names the windows. The span of them all is told apart, since it alone decides which
// partitions are looked into.
func countArgs(projectID int64, asked []AlertCount, now time.Time) pgx.StrictNamedArgs {
	n := len(asked)
	issues, limits, users, environments := make([]int64, n), make([]int64, n), make([]bool, n), make([]string, n)
	sinces, untils, wholeFroms, wholeUntils := make([]time.Time, n), make([]time.Time, n), make([]time.Time, n), make([]time.Time, n)
	oldest, newest := now, time.Time{}
	for i, c := range asked {
		until := now.Add(-c.Shift)
		since := until.Add(-c.Window)
		issues[i], users[i], environments[i], sinces[i], untils[i] = c.Issue, c.Users, c.Environment, since, until
		limits[i] = MaxCounted
		if c.Limit > 0 {
			limits[i] = min(c.Limit, maxStop)
		}
		wholeFroms[i], wholeUntils[i] = until, until
		if c.Window >= countedByHours && c.Environment == "" && !c.Users {
			wholeFroms[i], wholeUntils[i] = since.UTC().Truncate(time.Hour).Add(time.Hour), until.UTC().Truncate(time.Hour)
		}
		if since.Before(oldest) {
			oldest = since
		}
		if until.After(newest) {
			newest = until
		}
	}
	return pgx.StrictNamedArgs{"project": projectID, "issues": issues, "users": users, "environments": environments, "sinces": sinces, "untils": untils,
		"whole_froms": wholeFroms, "whole_untils": wholeUntils, "limits": limits, "oldest": oldest, "newest": newest, "most": maxUserEvents}
}
