package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxDestinations is how many destinations one organization may have.
const maxDestinations = 1000

const destinationColumns = `
	select d.organization_id, d.id, d.channel, d.name, d.target, d.settings, d.is_paused, d.budget, d.digest_min_seconds,
		d.digest_max_seconds, coalesce(d.created_by, 0) as created_by, d.created_at, d.updated_at,
		coalesce(l.failures, 0) as failures, l.failing_since, l.open_until, l.last_sent_at, l.last_failed_at,
		coalesce(l.last_error, '') as last_error, l.disabled_at, coalesce(l.disabled_reason, '') as disabled_reason
	from alert_destinations d left join alert_lanes l on l.lane = 'd' || d.id `

const (
	sqlDestinations = destinationColumns + `
		where d.organization_id = @organization order by lower(d.name), d.id limit @limit`
	sqlDestination      = destinationColumns + `where d.organization_id = @organization and d.id = @id`
	sqlDestinationsByID = destinationColumns + `
		join projects p on p.organization_id = d.organization_id
		where p.id = @project and d.id = any(@ids::bigint[])`
	sqlDestinationByID = destinationColumns + `where d.id = @id`

	// The count is not exact under concurrency, which a limit of this kind does not need.
	sqlInsertDestination = `
		insert into alert_destinations (organization_id, id, channel, name, target, settings, is_paused, budget, digest_min_seconds, digest_max_seconds, created_by)
		select @organization, @id, @channel, @name, @target, @settings, @paused, @budget, @min, @max, nullif(@user::bigint, 0)
		where (select count(*) from alert_destinations where organization_id = @organization) < @limit
		returning created_at, updated_at`
	sqlUpdateDestination = `
		update alert_destinations set name = @name, target = @target, settings = @settings, is_paused = @paused, budget = @budget,
			digest_min_seconds = @min, digest_max_seconds = @max, updated_at = now()
		where organization_id = @organization and id = @id and channel = @channel
		returning created_at, updated_at`
	// Saving a destination is a new start for it.
	sqlResetLane = `
		insert into alert_lanes as l (lane, is_paused) values (@lane, @paused)
		on conflict (lane) do update set is_paused = excluded.is_paused, failures = 0, failing_since = null, open_until = null,
			disabled_at = null, disabled_reason = ''`
	sqlDeleteDestination = `delete from alert_destinations where organization_id = @organization and id = @id`
	sqlDestinationUses   = `
		select r.name from alert_rules r join projects p on p.id = r.project_id
		where p.organization_id = @organization and p.deleted_at is null and (r.rule @> jsonb_build_object('actions', jsonb_build_array(jsonb_build_object('destination', @id::bigint)))
			or r.rule @> jsonb_build_object('escalation', jsonb_build_object('destination', @id::bigint)))
		order by r.name limit 5`
	sqlDropQueued = `
		update deliveries set state = 3, reason = 'the destination was deleted', next_attempt_at = null, finished_at = now()
		where lane = @lane and state = 0`
)

type destinationRow struct {
	OrganizationID   int64
	ID               int64
	Channel          string
	Name             string
	Target           string
	Settings         string
	IsPaused         bool
	Budget           int
	DigestMinSeconds int
	DigestMaxSeconds int
	CreatedBy        int64
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Failures         int
	FailingSince     *time.Time
	OpenUntil        *time.Time
	LastSentAt       *time.Time
	LastFailedAt     *time.Time
	LastError        string
	DisabledAt       *time.Time
	DisabledReason   string
}

func scanDestination(row pgx.CollectableRow) (alert.Destination, error) {
	r, err := pgx.RowToStructByName[destinationRow](row)
	return alert.Destination{
		Organization: r.OrganizationID, ID: r.ID, Channel: r.Channel, Name: r.Name, Target: r.Target, Settings: r.Settings, Paused: r.IsPaused,
		Noise: alert.Noise{Budget: r.Budget, DigestMin: time.Duration(r.DigestMinSeconds) * time.Second,
			DigestMax: time.Duration(r.DigestMaxSeconds) * time.Second},
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		Health: alert.Health{Failures: r.Failures, FailingSince: r.FailingSince, OpenUntil: r.OpenUntil, LastSentAt: r.LastSentAt,
			LastFailedAt: r.LastFailedAt, LastError: r.LastError, DisabledAt: r.DisabledAt, DisabledReason: r.DisabledReason},
	}, err
}

// Destinations lists an organization's destinations by name.
func (st *Store) Destinations(ctx context.Context, organization int64) ([]alert.Destination, error) {
	rows, _ := st.db.Query(ctx, sqlDestinations, pgx.StrictNamedArgs{"organization": organization, "limit": maxDestinations})
	list, err := pgx.CollectRows(rows, scanDestination)
	return list, translate(err, "list destinations of organization %d", organization)
}

// Destination returns one destination. fault.Unknown: the organization has none with this id.
func (st *Store) Destination(ctx context.Context, organization, id int64) (alert.Destination, error) {
	rows, _ := st.db.Query(ctx, sqlDestination, pgx.StrictNamedArgs{"organization": organization, "id": id})
	d, err := pgx.CollectExactlyOneRow(rows, scanDestination)
	return d, translate(err, "read destination %d of organization %d", id, organization)
}

// DestinationOf returns a destination by its id alone, for requests that prove by a signature of its
// secret whom they come from. fault.Unknown: there is none.
func (st *Store) DestinationOf(ctx context.Context, id int64) (alert.Destination, error) {
	rows, _ := st.db.Query(ctx, sqlDestinationByID, pgx.StrictNamedArgs{"id": id})
	d, err := pgx.CollectExactlyOneRow(rows, scanDestination)
	return d, translate(err, "read destination %d", id)
}

// ProjectDestinations returns those of the destinations that the project's organization has, by id.
func (st *Store) ProjectDestinations(ctx context.Context, project int64, ids []int64) (map[int64]alert.Destination, error) {
	rows, _ := st.db.Query(ctx, sqlDestinationsByID, pgx.StrictNamedArgs{"project": project, "ids": ids})
	list, err := pgx.CollectRows(rows, scanDestination)
	found := make(map[int64]alert.Destination, len(list))
	for _, d := range list {
		found[d.ID] = d
	}
	return found, translate(err, "read destinations of project %d", project)
}

// PutDestination stores a destination: a new one, which it gives an id, when d.ID is zero. Its
// health starts anew. fault.Invalid: the organization has too many. fault.Unknown: it has none with
// that id and channel.
func (st *Store) PutDestination(ctx context.Context, d *alert.Destination) error {
	args := pgx.StrictNamedArgs{"organization": d.Organization, "id": d.ID, "channel": d.Channel, "name": d.Name, "target": d.Target,
		"settings": d.Settings, "paused": d.Paused, "budget": d.Noise.Budget, "min": int(d.Noise.DigestMin / time.Second),
		"max": int(d.Noise.DigestMax / time.Second)}
	query, made := sqlUpdateDestination, d.ID
	if d.ID == 0 {
		query, made = sqlInsertDestination, NewID()
		args["id"], args["user"], args["limit"] = made, d.CreatedBy, maxDestinations
	}
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, query, args).Scan(&d.CreatedAt, &d.UpdatedAt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlResetLane, pgx.StrictNamedArgs{"lane": alert.DestinationLane(made), "paused": d.Paused})
		return err
	})
	if d.ID == 0 && fault.KindOf(translate(err, "")) == fault.Unknown {
		return fault.New(fault.Invalid, "an organization has at most %d destinations", maxDestinations)
	}
	if err != nil {
		return translate(err, "store a destination of organization %d", d.Organization)
	}
	d.ID = made
	return nil
}

// DeleteDestination removes a destination; what is queued for it is dropped. fault.Conflict: rules
// name it, which the text lists. fault.Unknown: there is none.
func (st *Store) DeleteDestination(ctx context.Context, organization, id int64) error {
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlDestinationUses, pgx.StrictNamedArgs{"organization": organization, "id": id})
		uses, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return fault.New(fault.Conflict, "Alert rules send to this destination, %q among them. Change them first.", uses[0])
		}
		tag, err := tx.Exec(ctx, sqlDeleteDestination, pgx.StrictNamedArgs{"organization": organization, "id": id})
		if err == nil && tag.RowsAffected() == 0 {
			err = pgx.ErrNoRows
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlDropQueued, pgx.StrictNamedArgs{"lane": alert.DestinationLane(id)})
		return err
	})
	return translate(err, "delete destination %d of organization %d", id, organization)
}

const sqlDisableLane = `
	update alert_lanes set disabled_at = now(), disabled_reason = @reason
	where lane = @lane and disabled_at is null`

const sqlSuppressLane = `
	update deliveries set state = 3, reason = 'the destination is switched off', next_attempt_at = null, finished_at = now()
	where lane = @lane and state = 0 and id <> @except`

// DisableLane switches a lane off, because of what its destination answered or how long it failed;
// first tells whether this call did so. What waits in the lane is suppressed, except one delivery.
func (st *Store) DisableLane(ctx context.Context, lane, reason string, except int64) (first bool, err error) {
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlDisableLane, pgx.StrictNamedArgs{"lane": lane, "reason": reason})
		if first = err == nil && tag.RowsAffected() > 0; !first {
			return err
		}
		_, err = tx.Exec(ctx, sqlSuppressLane, pgx.StrictNamedArgs{"lane": lane, "except": except})
		return err
	})
	return first, translate(err, "switch off %s", lane)
}
