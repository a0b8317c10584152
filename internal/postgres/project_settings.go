package postgres

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

const sqlSettings = `select settings from projects where id = @project and deleted_at is null`

// Settings returns the settings of a project. fault.Unknown: there is no such project.
func (st *Store) Settings(ctx context.Context, p int64) (project.Settings, error) {
	var stored []byte
	if err := st.db.QueryRow(ctx, sqlSettings, pgx.StrictNamedArgs{"project": p}).Scan(&stored); err != nil {
		return project.Settings{}, translate(err, "read the settings of project %d", p)
	}
	return readSettings(p, stored)
}

func readSettings(p int64, stored []byte) (s project.Settings, err error) {
	if err := json.Unmarshal(stored, &s); err != nil {
		return s, fault.Wrap(err, fault.Internal, "read the settings of project %d", p)
	}
	return s, nil
}

const sqlLockSettings = `select settings from projects where id = @project and deleted_at is null for update`

const sqlPutSettings = `update projects set settings = @settings where id = @project`

// ChangeSettings applies a change to the settings of a project, one at a time, and returns what
// they are now; the change may run again after a conflict. Snapshots has them from now on. An
// error of the change leaves all as it was. fault.Unknown: there is no such project.
func (st *Store) ChangeSettings(ctx context.Context, p int64, change func(*project.Settings) error) (project.Settings, error) {
	var settings project.Settings
	err := st.configure(ctx, func(tx pgx.Tx) (err error) {
		var stored []byte
		if err := tx.QueryRow(ctx, sqlLockSettings, pgx.StrictNamedArgs{"project": p}).Scan(&stored); err != nil {
			return translate(err, "The requested resource does not exist")
		}
		if settings, err = readSettings(p, stored); err != nil {
			return err
		}
		before := settings
		if err := change(&settings); err != nil {
			return err
		}
		if err := keepRules(ctx, tx, p, before, settings); err != nil {
			return err
		}
		if stored, err = json.Marshal(settings); err != nil || bytes.Contains(stored, []byte(`\u0000`)) { // which jsonb cannot hold
			return fault.Wrap(err, fault.Invalid, "The settings cannot be stored.")
		}
		_, err = tx.Exec(ctx, sqlPutSettings, pgx.StrictNamedArgs{"project": p, "settings": stored})
		return translate(err, "write the settings of project %d", p)
	})
	return settings, err
}
