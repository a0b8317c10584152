package postgres

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// Bounds on client keys.
const (
	maxKeyLabel    = 64
	maxKeys        = 200 // of one project
	maxLimitCount  = 1_000_000_000
	maxLimitWindow = 30 * 24 * time.Hour
)

// KeyChange says what to change of a client key; nil leaves a part as it is.
type KeyChange struct {
	Label     *string
	Active    *bool
	RateLimit **project.RateLimit // a nil limit takes it away
}

func checkKey(label string, limit *project.RateLimit) error {
	switch {
	case strings.TrimSpace(label) == "" || utf8.RuneCountInString(label) > maxKeyLabel:
		return fault.New(fault.Invalid, "a key's name has 1 to %d characters", maxKeyLabel)
	case limit == nil:
		return nil
	case limit.Count < 1 || limit.Count > maxLimitCount:
		return fault.New(fault.Invalid, "a rate limit allows 1 to %d events; switch the key off to allow none", maxLimitCount)
	case limit.Window < time.Second || limit.Window > maxLimitWindow || limit.Window%time.Second != 0:
		return fault.New(fault.Invalid, "a rate limit's window has 1 to %d seconds", int(maxLimitWindow/time.Second))
	}
	return nil
}

func limitColumns(l *project.RateLimit) (count, seconds *int) {
	if l == nil {
		return nil, nil
	}
	return new(l.Count), new(int(l.Window / time.Second))
}

const keyColumns = `id, project_id, public_key, secret_key, label, is_active, rate_limit_count, rate_limit_seconds, created_at`

const sqlKey = `select ` + keyColumns + ` from client_keys where project_id = @project and public_key = @public`

// Key returns the client key of a project by its public half. fault.Unknown: it has none such.
func (st *Store) Key(ctx context.Context, project int64, public string) (project.Key, error) {
	rows, _ := st.db.Query(ctx, sqlKey, pgx.StrictNamedArgs{"project": project, "public": public})
	return collectKey(rows)
}

const sqlKeyByPublic = `select ` + keyColumns + ` from client_keys where public_key = @public`

const sqlProjectByID = `
	select p.id, p.organization_id, o.slug as organization, p.slug, p.name, p.platform, p.settings, p.first_event_at, p.created_at
	from projects p join organizations o on o.id = p.organization_id where p.id = @project and p.deleted_at is null`

// ProjectOfKey returns a client key by its public half alone, and the project it speaks for.
// fault.Unknown: there is none such.
func (st *Store) ProjectOfKey(ctx context.Context, public string) (project.Project, project.Key, error) {
	rows, _ := st.db.Query(ctx, sqlKeyByPublic, pgx.StrictNamedArgs{"public": public})
	key, err := collectKey(rows)
	if err != nil {
		return project.Project{}, key, err
	}
	rows, _ = st.db.Query(ctx, sqlProjectByID, pgx.StrictNamedArgs{"project": key.Project})
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[projectRow])
	if err != nil {
		return project.Project{}, key, translate(err, "The requested resource does not exist")
	}
	p, err := r.project()
	return p, key, err
}

func collectKey(rows pgx.Rows) (project.Key, error) {
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[keyRow])
	return r.key(), translate(err, "The requested resource does not exist")
}

const sqlCreateKey = `
	insert into client_keys (id, project_id, public_key, secret_key, label, rate_limit_count, rate_limit_seconds)
	select @id, id, @public, @secret, @label, @count, @seconds from projects
	where id = @project and deleted_at is null and (select count(*) from client_keys where project_id = @project) < @max
	returning ` + keyColumns

// CreateKey makes a client key of a project. fault.Invalid: the name or the limit cannot be.
// fault.Conflict: the project has as many keys as it may have.
func (st *Store) CreateKey(ctx context.Context, p int64, label string, limit *project.RateLimit) (k project.Key, err error) {
	if err := checkKey(label, limit); err != nil {
		return project.Key{}, err
	}
	count, seconds := limitColumns(limit)
	err = st.configure(ctx, func(tx pgx.Tx) error {
		args := keyArgs(p, randomHex(16), label)
		args["count"], args["seconds"], args["max"] = count, seconds, maxKeys
		rows, _ := tx.Query(ctx, sqlCreateKey, args)
		k, err = collectKey(rows)
		return err
	})
	if fault.KindOf(err) == fault.Unknown {
		return k, fault.New(fault.Conflict, "The project has %d keys, which is as many as it may have.", maxKeys)
	}
	return k, err
}

const sqlUpdateKey = `
	update client_keys set label = coalesce(@label, label), is_active = coalesce(@active, is_active),
		rate_limit_count = case when @limits then @count else rate_limit_count end,
		rate_limit_seconds = case when @limits then @seconds else rate_limit_seconds end
	where project_id = @project and public_key = @public returning ` + keyColumns

// UpdateKey changes a client key. fault.Unknown: the project has none such. fault.Invalid: the
// name or the limit cannot be.
func (st *Store) UpdateKey(ctx context.Context, p int64, public string, c KeyChange) (k project.Key, err error) {
	label, limit := "-", (*project.RateLimit)(nil)
	if c.Label != nil {
		label = *c.Label
	}
	if c.RateLimit != nil {
		limit = *c.RateLimit
	}
	if err := checkKey(label, limit); err != nil {
		return project.Key{}, err
	}
	count, seconds := limitColumns(limit)
	err = st.configure(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlUpdateKey, pgx.StrictNamedArgs{"project": p, "public": public, "label": c.Label, "active": c.Active,
			"limits": c.RateLimit != nil, "count": count, "seconds": seconds})
		k, err = collectKey(rows)
		return err
	})
	return k, err
}

const sqlRotateKey = `
	update client_keys set public_key = @new, secret_key = @secret
	where project_id = @project and public_key = @public returning ` + keyColumns

// RotateKey gives a client key new halves: its old DSN stops working, and its counts go on under
// the same id. fault.Unknown: the project has none such.
func (st *Store) RotateKey(ctx context.Context, p int64, public string) (k project.Key, err error) {
	err = st.configure(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlRotateKey, pgx.StrictNamedArgs{"project": p, "public": public, "new": randomHex(16), "secret": randomHex(16)})
		k, err = collectKey(rows)
		return err
	})
	return k, err
}

const sqlDeleteKey = `delete from client_keys where project_id = @project and public_key = @public`

// DeleteKey removes a client key; what was counted under it stays. fault.Unknown: the project has
// none such.
func (st *Store) DeleteKey(ctx context.Context, project int64, public string) error {
	return st.configure(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlDeleteKey, pgx.StrictNamedArgs{"project": project, "public": public})
		if err != nil {
			return translate(err, "delete a client key")
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.Unknown, "The requested resource does not exist")
		}
		return nil
	})
}
