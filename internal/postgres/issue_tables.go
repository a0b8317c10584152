package postgres

// issueTable is a table of what belongs to issues, and how a job removes its rows or moves them to
// another issue, a few thousand at a time.
type issueTable struct {
	name   string
	remove string // by @project, @issues, @limit
	move   string // from @issues to @target, likewise; empty: such rows are removed instead
}

// issueTables lists every table with rows of issues but events, issue_hashes and issue_redirects.
var issueTables = []issueTable{
	{"issue_hours", sqlRemoveHours, sqlMoveHours},
	{"issue_environments", sqlRemoveEnvironments, sqlMoveEnvironments},
	{"issue_releases", sqlRemoveReleases, sqlMoveReleases},
	{"issue_tags", sqlRemoveTags, sqlMoveTags},
	{"activities", sqlRemoveActivities, sqlMoveActivities},
	{"issue_properties", sqlRemoveProperties, sqlMoveProperties},
	{"issue_texts", sqlRemoveTexts, ""}, // the other issue has words of its own
	{"issue_people", sqlRemovePeople, sqlMovePeople},
	{"issue_undo", sqlRemoveUndo, ""}, // what was merged is not taken back one by one
	{"alert_acknowledgements", sqlRemoveAcknowledgements, sqlMoveAcknowledgements},
	{"alert_escalations", sqlRemoveEscalations, sqlMoveEscalations},
	{"alert_threads", sqlRemoveThreads, ""}, // the other issue has threads of its own
}

const (
	sqlRemoveHours = `
		delete from issue_hours where ctid = any(array(select ctid from issue_hours where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveEnvironments = `
		delete from issue_environments where ctid = any(array(select ctid from issue_environments where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveReleases = `
		delete from issue_releases where ctid = any(array(select ctid from issue_releases where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveTags = `
		delete from issue_tags where ctid = any(array(select ctid from issue_tags where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveActivities = `
		delete from activities where ctid = any(array(select ctid from activities where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`

	sqlRemoveProperties = `
		delete from issue_properties where ctid = any(array(select ctid from issue_properties where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveTexts = `
		delete from issue_texts where ctid = any(array(select ctid from issue_texts where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemovePeople = `
		delete from issue_people where ctid = any(array(select ctid from issue_people where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveUndo = `
		delete from issue_undo where ctid = any(array(select ctid from issue_undo where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlMovePeople = `
		with gone as (` + sqlRemovePeople + ` returning user_id, bookmarked_at, seen_at, is_subscribed, reason),
		moved as (insert into issue_people (project_id, issue_id, user_id, bookmarked_at, seen_at, is_subscribed, reason)
			select distinct on (user_id) @project::bigint, @target::bigint, user_id, bookmarked_at, seen_at, is_subscribed, reason from gone on conflict do nothing)
		select from gone`

	sqlMoveProperties = `
		with gone as (` + sqlRemoveProperties + ` returning key, value),
		moved as (insert into issue_properties (project_id, issue_id, key, value) select distinct @project::bigint, @target::bigint, key, value from gone on conflict do nothing)
		select from gone`
	sqlMoveHours = `
		with gone as (` + sqlRemoveHours + ` returning hour, times_seen),
		sums as (select hour, sum(times_seen)::bigint as n from gone group by hour)
		insert into issue_hours as t (project_id, issue_id, hour, times_seen) select @project, @target, hour, n from sums
		on conflict (project_id, issue_id, hour) do update set times_seen = t.times_seen + excluded.times_seen`
	sqlMoveEnvironments = `
		with gone as (` + sqlRemoveEnvironments + ` returning environment, times_seen, first_seen, last_seen),
		sums as (select environment, sum(times_seen)::bigint as n, min(first_seen) as f, max(last_seen) as l from gone group by environment)
		insert into issue_environments as t (project_id, issue_id, environment, times_seen, first_seen, last_seen)
		select @project, @target, environment, n, f, l from sums
		on conflict (project_id, issue_id, environment) do update set times_seen = t.times_seen + excluded.times_seen,
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`
	sqlMoveReleases = `
		with gone as (` + sqlRemoveReleases + ` returning release, times_seen, first_seen, last_seen),
		sums as (select release, sum(times_seen)::bigint as n, min(first_seen) as f, max(last_seen) as l from gone group by release)
		insert into issue_releases as t (project_id, issue_id, release, times_seen, first_seen, last_seen)
		select @project, @target, release, n, f, l from sums
		on conflict (project_id, issue_id, release) do update set times_seen = t.times_seen + excluded.times_seen,
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`
	sqlMoveTags = `
		with gone as (` + sqlRemoveTags + ` returning key, value, times_seen, first_seen, last_seen),
		sums as (select key, value, sum(times_seen)::bigint as n, min(first_seen) as f, max(last_seen) as l from gone group by key, value)
		insert into issue_tags as t (project_id, issue_id, key, value, times_seen, first_seen, last_seen)
		select @project, @target, key, value, n, f, l from sums
		on conflict (project_id, issue_id, key, value) do update set times_seen = t.times_seen + excluded.times_seen,
			first_seen = least(t.first_seen, excluded.first_seen), last_seen = greatest(t.last_seen, excluded.last_seen)`
	sqlMoveActivities = `
		update activities set issue_id = @target where ctid = any(array(
			select ctid from activities where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`

	sqlRemoveAcknowledgements = `
		delete from alert_acknowledgements where ctid = any(array(select ctid from alert_acknowledgements where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveEscalations = `
		delete from alert_escalations where ctid = any(array(select ctid from alert_escalations where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlRemoveThreads = `
		delete from alert_threads where ctid = any(array(select ctid from alert_threads where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlMoveAcknowledgements = `
		update alert_acknowledgements set issue_id = @target where ctid = any(array(
			select ctid from alert_acknowledgements where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
	sqlMoveEscalations = `
		update alert_escalations set issue_id = @target where ctid = any(array(
			select ctid from alert_escalations where project_id = @project and issue_id = any(@issues::bigint[]) limit @limit))`
)
