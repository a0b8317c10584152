package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
)

// ErrBootstrapped says that the database has an organization already.
var ErrBootstrapped = errors.New("the database has an organization already")

// BootstrapInput is what the first start makes: slugs, the owner's address and password.
type BootstrapInput struct {
	Organization string
	Project      string
	Email        string
	Password     string
}

// Bootstrapped is what the first start made; the secrets cannot be read again.
type Bootstrapped struct {
	Organization string
	Project      string
	ProjectID    int64
	PublicKey    string
	Email        string
	Password     string
	AuthToken    string
}

const sqlInsertFirstOrganization = `
	insert into organizations (id, slug, name)
	select 1, @slug, @slug where not exists (select from organizations)
	on conflict do nothing`

const sqlInsertProject = `
	insert into projects (id, organization_id, slug, name, platform)
	select coalesce(max(id), 0) + 1, @org, @slug, @name, @platform from projects
	returning id`

const sqlInsertKey = `
	insert into client_keys (id, project_id, public_key, secret_key, label)
	values (@id, @project, @public, @secret, @label)`

// Bootstrap makes the first organization with a project, its key, an owner and an API token that
// may do what the owner may, all in one transaction. ErrBootstrapped: there is an organization,
// and nothing was changed.
func (st *Store) Bootstrap(ctx context.Context, in BootstrapInput) (Bootstrapped, error) {
	var exists bool
	if err := st.db.QueryRow(ctx, "select exists (select from organizations)").Scan(&exists); err != nil {
		return Bootstrapped{}, translate(err, "look for an organization")
	}
	if exists {
		return Bootstrapped{}, ErrBootstrapped
	}
	hash, err := account.HashPassword(ctx, in.Password)
	if err != nil {
		return Bootstrapped{}, err
	}
	out := Bootstrapped{Organization: in.Organization, Project: in.Project, PublicKey: randomHex(16),
		Email: in.Email, Password: in.Password, AuthToken: account.NewUserToken()}
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlInsertFirstOrganization, pgx.StrictNamedArgs{"slug": in.Organization})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrBootstrapped
		}
		return out.insert(ctx, tx, hash)
	})
	if errors.Is(err, ErrBootstrapped) {
		return Bootstrapped{}, ErrBootstrapped
	}
	return out, translate(err, "make the first organization")
}

// insert writes everything but the organization, whose id is 1.
func (out *Bootstrapped) insert(ctx context.Context, tx pgx.Tx, hash string) error {
	const org = 1
	if err := tx.QueryRow(ctx, sqlInsertProject, pgx.StrictNamedArgs{"org": org, "slug": out.Project, "name": out.Project,
		"platform": ""}).Scan(&out.ProjectID); err != nil {
		return err
	}
	user := NewID()
	token := account.Token{ID: NewID(), Organization: org, User: user, Name: "first start", Kind: account.TokenUser,
		LastCharacters: account.LastCharacters(out.AuthToken), Scopes: account.RoleOwner.Scopes()}
	b := &pgx.Batch{}
	b.Queue(sqlInsertKey, keyArgs(out.ProjectID, out.PublicKey, "Default"))
	b.Queue(sqlInsertUser, pgx.StrictNamedArgs{"id": user, "email": out.Email, "name": "", "hash": hash})
	b.Queue(sqlInsertMembership, pgx.StrictNamedArgs{"org": org, "user": user, "role": account.RoleOwner})
	b.Queue(sqlInsertToken, tokenArgs(token, out.AuthToken))
	return tx.SendBatch(ctx, b).Close()
}

func keyArgs(project int64, public, label string) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{"id": NewID(), "project": project, "public": public, "secret": randomHex(16), "label": label}
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
