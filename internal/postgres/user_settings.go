package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlUserSettings = `select settings from user_settings where user_id = @user`

// UserSettings returns what a user chose about the pages.
func (st *Store) UserSettings(ctx context.Context, user int64) (s account.Settings, err error) {
	rows, _ := st.db.Query(ctx, sqlUserSettings, pgx.StrictNamedArgs{"user": user})
	return collectSettings(rows, user)
}

func collectSettings(rows pgx.Rows, user int64) (s account.Settings, err error) {
	texts, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return s, translate(err, "read the settings of user %d", user)
	}
	for _, text := range texts {
		if err := json.Unmarshal(text, &s); err != nil {
			return s, fault.Wrap(err, fault.Internal, "the settings of user %d cannot be read", user)
		}
	}
	return s, nil
}

const (
	sqlUserSettingsForChange = `
		insert into user_settings as s (user_id) values (@user)
		on conflict (user_id) do update set updated_at = now() returning s.settings`
	sqlSetUserSettings = `update user_settings set settings = @settings::text::jsonb where user_id = @user`
)

// ChangeUserSettings changes what a user chose; changes at the same time follow each other.
func (st *Store) ChangeUserSettings(ctx context.Context, user int64, change func(*account.Settings)) error {
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, sqlUserSettingsForChange, pgx.StrictNamedArgs{"user": user})
			s, err := collectSettings(rows, user)
			if err != nil {
				return err
			}
			change(&s)
			text, err := json.Marshal(s)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, sqlSetUserSettings, pgx.StrictNamedArgs{"user": user, "settings": string(text)})
			return err
		})
	})
	return translate(err, "change the settings of user %d", user)
}
