package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// heartbeatSite is the name of the one site there is.
const heartbeatSite = "heartbeat"

const (
	sqlHeartbeatSite = `select organization_id, project_id, public_key, rule_id from heartbeat_sites where name = @name for update`

	sqlFindHeartbeatSite = `select organization_id, project_id, public_key, rule_id from heartbeat_sites where name = @name`

	sqlPutHeartbeatSite = `
		insert into heartbeat_sites (name, organization_id, project_id, public_key) values (@name, @org, @project, @key)
		on conflict do nothing`

	sqlPutHeartbeatRule = `update heartbeat_sites set rule_id = @rule where name = @name`

	sqlHeartbeatAlerted = `
		select exists (select from deliveries
			where project_id = @project and rule_id = @rule and state = 1 and created_at > now() - interval '10 minutes' and notice -> 'change' ->> 'event_id' = @event)`

	sqlInsertHeartbeat = `
		insert into heartbeats (id, event_id, sent_at, accepted_ms, visible_ms, alerted_ms, failure)
		values (@id, @event, @sent, @accepted, @visible, @alerted, @failure)`

	sqlHeartbeats = `select sent_at, accepted_ms, visible_ms, alerted_ms, failure from heartbeats order by sent_at desc limit @limit`

	sqlDropHeartbeats = `
		with old as (delete from heartbeats where sent_at < now() - interval '7 days'),
		gone as (delete from deliveries where project_id = @project and rule_id = @rule and created_at < now() - interval '1 day' returning project_id, id)
		delete from delivery_attempts a using gone g where a.project_id = g.project_id and a.delivery_id = g.id`
)

// HeartbeatSite is where synthetic events go.
type HeartbeatSite struct {
	OrganizationID int64
	ProjectID      int64
	PublicKey      string
	RuleID         int64 // zero: not made yet
}

// HeartbeatSite returns where synthetic events go, made when it is missing: a project in an
// organization of its own, which nobody is a member of.
func (st *Store) HeartbeatSite(ctx context.Context) (site HeartbeatSite, err error) {
	find := func(q interface {
		Query(context.Context, string, ...any) (pgx.Rows, error)
	}, sql string) error {
		rows, _ := q.Query(ctx, sql, pgx.StrictNamedArgs{"name": heartbeatSite}) // Collect reports a failed Query
		site, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[HeartbeatSite])
		return err
	}
	if err := find(st.db, sqlFindHeartbeatSite); err != pgx.ErrNoRows {
		return site, translate(err, "find the project of heartbeats")
	}
	err = st.configure(ctx, func(tx pgx.Tx) error {
		org, key := NewID(), randomHex(16)
		if _, err := tx.Exec(ctx, sqlInsertOrganization, pgx.StrictNamedArgs{"id": org, "slug": heartbeatSite + "-" + randomHex(4), "name": "Heartbeat"}); err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRow(ctx, sqlInsertProject, pgx.StrictNamedArgs{"org": org, "slug": heartbeatSite, "name": "Heartbeat", "platform": ""}).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlInsertKey, keyArgs(id, key, "Heartbeat")); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlPutHeartbeatSite, pgx.StrictNamedArgs{"name": heartbeatSite, "org": org, "project": id, "key": key}); err != nil {
			return err
		}
		return find(tx, sqlHeartbeatSite)
	})
	return site, translate(err, "make the project of heartbeats")
}

// SetHeartbeatRule notes the rule that synthetic events fire.
func (st *Store) SetHeartbeatRule(ctx context.Context, rule int64) error {
	_, err := st.db.Exec(ctx, sqlPutHeartbeatRule, pgx.StrictNamedArgs{"rule": rule, "name": heartbeatSite})
	return translate(err, "note the rule of heartbeats")
}

// HeartbeatAlerted reports whether an alert about the event was delivered.
func (st *Store) HeartbeatAlerted(ctx context.Context, site HeartbeatSite, id event.ID) (alerted bool, err error) {
	err = st.db.QueryRow(ctx, sqlHeartbeatAlerted, pgx.StrictNamedArgs{"project": site.ProjectID, "rule": site.RuleID, "event": id.String()}).Scan(&alerted)
	return alerted, translate(err, "look for the alert of a heartbeat")
}

// Heartbeat is how one synthetic event fared: how long after SentAt it came so far; nil: it did not.
type Heartbeat struct {
	SentAt     time.Time
	AcceptedMS *int32
	VisibleMS  *int32
	AlertedMS  *int32
	Failure    string // empty: it came through
}

// RecordHeartbeat keeps how an event fared, and forgets what is older than a week.
func (st *Store) RecordHeartbeat(ctx context.Context, site HeartbeatSite, id event.ID, h *Heartbeat) error {
	b := &pgx.Batch{}
	b.Queue(sqlInsertHeartbeat, pgx.StrictNamedArgs{"id": NewID(), "event": pgtype.UUID{Bytes: id, Valid: true}, "sent": h.SentAt, "accepted": h.AcceptedMS,
		"visible": h.VisibleMS, "alerted": h.AlertedMS, "failure": h.Failure})
	b.Queue(sqlDropHeartbeats, pgx.StrictNamedArgs{"project": site.ProjectID, "rule": site.RuleID})
	return translate(st.db.SendBatch(ctx, b).Close(), "record a heartbeat")
}

// Heartbeats lists the latest, newest first.
func (st *Store) Heartbeats(ctx context.Context, limit int) ([]Heartbeat, error) {
	rows, _ := st.db.Query(ctx, sqlHeartbeats, pgx.StrictNamedArgs{"limit": limit}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Heartbeat])
	return list, translate(err, "list heartbeats")
}
