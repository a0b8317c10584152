package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// grants says what each service may do to each table, one pair a line; "owns" are the tables whose
// partitions it makes and drops. A test writes the file from the statements that each service runs.
//
//go:embed grants.txt
var grants string

// RoleName is the database role of a service. Roles belong to the whole cluster, so the name holds
// that of the database.
func RoleName(database, service string) string { return database + "_" + service }

// Granted returns what a service may do, by table; empty: the service has no role.
func Granted(service string) map[string][]string {
	found := map[string][]string{}
	for line := range strings.Lines(grants) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == service {
			found[f[1]] = f[2:]
		}
	}
	return found
}

const sqlRoleExists = `select exists (select from pg_roles where rolname = @role)`

const sqlForeignTables = `
	select c.oid::regclass::text from pg_class c
	where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and pg_get_userbyid(c.relowner) <> @role
		and (c.relname = any(@tables::text[]) or exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent::regclass::text = any(@tables::text[])))`

// EnsureRoles makes a role for each service that passwords names, with that password, and grants it
// what the service's statements need and nothing else. It needs the rights of the database's owner,
// and to make roles. It may be repeated; a service that runs keeps running.
// fault.Invalid: a service is unknown or its password is empty.
func EnsureRoles(ctx context.Context, url string, passwords map[string]string) error {
	for _, service := range slices.Sorted(maps.Keys(passwords)) {
		if len(Granted(service)) == 0 {
			return fault.New(fault.Invalid, "%q is no service that asks the database; processor, notifier and web are", service)
		}
		if passwords[service] == "" {
			return fault.New(fault.Invalid, "the password of the role of %s is empty", service)
		}
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return invalidURL(err)
	}
	setDefaults(config.RuntimeParams, map[string]string{"application_name": "tocsin migrate", "lock_timeout": "2000"})
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return translate(err, "make the roles of services")
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, service := range slices.Sorted(maps.Keys(passwords)) {
				if err := ensureRole(ctx, tx, RoleName(config.Database, service), passwords[service], Granted(service)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return translate(err, "make the roles of services")
}

// ensureRole makes one role. Definitions take no parameters: names are quoted, and the password
// arrives as a verifier, which no log can tell it from.
func ensureRole(ctx context.Context, tx pgx.Tx, role, password string, tables map[string][]string) error {
	var exists bool
	if err := tx.QueryRow(ctx, sqlRoleExists, pgx.StrictNamedArgs{"role": role}).Scan(&exists); err != nil {
		return err
	}
	name := pgx.Identifier{role}.Sanitize()
	how := "create"
	if exists {
		how = "alter"
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	b := []string{fmt.Sprintf("%s role %s login nocreatedb nocreaterole password '%s'", how, name, verifier),
		"grant " + name + " to current_user", // who migrates changes what the role owns, too
		"grant usage on schema public to " + name,
		"revoke all on all tables in schema public from " + name}
	var owned []string
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		quoted := pgx.Identifier{table}.Sanitize()
		if slices.Contains(tables[table], "owns") {
			owned = append(owned, table)
			b = append(b, "grant all on "+quoted+" to "+name) // what an owner has without it, which the revocation took
			continue
		}
		b = append(b, fmt.Sprintf("grant %s on %s to %s", strings.Join(tables[table], ", "), quoted, name))
	}
	if len(owned) > 0 {
		b = append(b, "grant create on schema public to "+name) // partitions
	}
	if _, err := tx.Exec(ctx, strings.Join(b, ";\n"), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	return giveTables(ctx, tx, role, owned)
}

// giveTables makes a role the owner of tables and of their partitions.
func giveTables(ctx context.Context, tx pgx.Tx, role string, tables []string) error {
	rows, _ := tx.Query(ctx, sqlForeignTables, pgx.StrictNamedArgs{"role": role, "tables": tables}) // Collect reports a failed Query
	foreign, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, table := range foreign {
		if _, err := tx.Exec(ctx, "alter table "+table+" owner to "+pgx.Identifier{role}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

// scramVerifier is what Postgres keeps of a password.
// Rule: https://www.postgresql.org/docs/current/catalog-pg-authid.html
func scramVerifier(password string) (string, error) {
	const rounds, size = 4096, 32
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, size)
	if err != nil {
		return "", err
	}
	sum := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(sum(salted, "Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, text(salt), text(stored[:]), text(sum(salted, "Server Key"))), nil
}
