package postgres

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// checkQuotas holds a list of quotas to their rules and to the scopes it may have.
func checkQuotas(list []quota.Quota, scopes ...quota.Scope) error {
	if len(list) > quota.MaxQuotas {
		return fault.New(fault.Invalid, "there may be at most %d quotas", quota.MaxQuotas)
	}
	seen := map[string]bool{}
	for _, q := range list {
		switch {
		case q.Validate() != nil:
			return q.Validate()
		case !slices.Contains(scopes, q.Scope):
			return fault.New(fault.Invalid, "quota %q has a scope that is not for these settings", q.ID)
		case seen[q.ID]:
			return fault.New(fault.Invalid, "two quotas have the id %q", q.ID)
		}
		seen[q.ID] = true
	}
	return nil
}

const (
	sqlPutOrganizationQuotas = `
		update organizations set settings = jsonb_set(settings, '{quotas}', @quotas::jsonb) where id = @id`

	sqlOrganizationQuotas = `select coalesce(settings->'quotas', '[]') from organizations where id = @id`
)

// PutProjectQuotas replaces the quotas of a project, which have scope project or key.
// fault.Invalid: one cannot be enforced. fault.Unknown: there is no such project.
func (st *Store) PutProjectQuotas(ctx context.Context, p int64, list []quota.Quota) error {
	if err := checkQuotas(list, quota.ScopeProject, quota.ScopeKey); err != nil {
		return err
	}
	_, err := st.ChangeSettings(ctx, p, func(s *project.Settings) error {
		s.Quotas = list
		return nil
	})
	return err
}

// PutOrganizationQuotas replaces the quotas of an organization, of any scope. Kinds as of
// PutProjectQuotas.
func (st *Store) PutOrganizationQuotas(ctx context.Context, org int64, list []quota.Quota) error {
	if err := checkQuotas(list, quota.ScopeOrganization, quota.ScopeProject, quota.ScopeKey); err != nil {
		return err
	}
	if list == nil {
		list = []quota.Quota{}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode quotas")
	}
	return st.configure(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlPutOrganizationQuotas, pgx.StrictNamedArgs{"id": org, "quotas": string(text)})
		if err == nil && tag.RowsAffected() == 0 {
			return fault.New(fault.Unknown, "The requested resource does not exist")
		}
		return translate(err, "store quotas")
	})
}

// OrganizationQuotas returns the quotas of an organization.
func (st *Store) OrganizationQuotas(ctx context.Context, org int64) (list []quota.Quota, err error) {
	var text []byte
	if err := st.db.QueryRow(ctx, sqlOrganizationQuotas, pgx.StrictNamedArgs{"id": org}).Scan(&text); err != nil {
		return nil, translate(err, "read the quotas of organization %d", org)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the quotas of organization %d", org)
	}
	return list, nil
}
