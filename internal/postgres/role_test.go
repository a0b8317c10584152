package postgres_test

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

const denied = "42501" // insufficient_privilege

// roles makes the roles of services on a new database and returns a connection for each, beside the
// owner's under "".
func roles(t *testing.T) map[string]*pgx.Conn {
	t.Helper()
	address := pgtest.URL(t)
	passwords := map[string]string{}
	for _, s := range databaseServices {
		passwords[s] = "pass'word of " + s
	}
	for range 2 { // again changes nothing
		if err := postgres.EnsureRoles(t.Context(), address, passwords); err != nil {
			t.Fatal(err)
		}
	}
	conns := map[string]*pgx.Conn{}
	connect := func(name, address string) *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conns[name] = conn
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	owner := connect("", address)
	for _, s := range databaseServices {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		role := postgres.RoleName(owner.Config().Database, s)
		u.User = url.UserPassword(role, passwords[s])
		connect(s, u.String())
		t.Cleanup(func() { // before the database goes, roles must own nothing in it
			name := pgx.Identifier{role}.Sanitize()
			if _, err := owner.Exec(context.Background(), "reassign owned by "+name+" to current_user; drop owned by "+name+"; drop role "+name, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(err)
			}
		})
	}
	return conns
}

func tablesOf(t *testing.T) map[string]bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, _ := conn.Query(t.Context(), `select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range names {
		found[n] = true
	}
	return found
}

var parameter = regexp.MustCompile(`\$\d+`)

// TestServicesRunUnderTheirRoles holds grants.txt to the code, and has Postgres check the rights of
// every statement that a service can run.
func TestServicesRunUnderTheirRoles(t *testing.T) {
	t.Parallel()
	s := readSource(t)
	golden.Check(t, "../grants.txt", grantsOf(s, tablesOf(t)))
	conns, all := roles(t), statements(t)
	for _, service := range databaseServices {
		conn, ran := conns[service], 0
		reached := s.reached(service)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !reached[name] || strings.HasSuffix(name, "Part") {
				continue
			}
			plain, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), conn, all[name], nil)
			if err != nil {
				t.Fatal(err)
			}
			highest := 0
			for _, p := range parameter.FindAllString(plain, -1) {
				highest = max(highest, atoi(p[1:]))
			}
			nulls := strings.TrimSuffix(strings.Repeat("null, ", highest), ", ")
			if nulls != "" {
				nulls = "(" + nulls + ")"
			}
			// Explaining starts the statement, which is when Postgres looks at the rights.
			_, err = conn.Exec(t.Context(), "prepare p as "+plain+"; explain execute p"+nulls+"; deallocate p", pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				_, _ = conn.Exec(t.Context(), "deallocate all")
			}
			var pg *pgconn.PgError
			if errors.As(err, &pg) && pg.Code == denied {
				t.Errorf("%s may not run %s: %v", service, name, err)
			}
			if err == nil {
				ran++
			}
		}
		t.Logf("%s: Postgres lets it run %d statements on %d tables", service, ran, len(postgres.Granted(service)))
		if ran < 20 {
			t.Errorf("%s: only %d statements were tried", service, ran)
		}
	}
}

func atoi(text string) (n int) {
	for _, c := range text {
		n = 10*n + int(c-'0')
	}
	return n
}

// TestRolesMayNotDoMore tries what no service needs.
func TestRolesMayNotDoMore(t *testing.T) {
	t.Parallel()
	conns := roles(t)
	everyone := []string{"create role intruder", "create database intruder", "create extension dblink", "drop table issues", "alter table issues add column x int", "truncate issues",
		"create trigger x before update on issues execute function suppress_redundant_updates_trigger()", "select pg_read_file('/etc/passwd')", "copy issues to program 'cat'",
		"update schema_versions set version_id = 0", "delete from audit_log", "truncate audit_log"}
	forbidden := map[string][]string{
		"notifier":  {"insert into issues default values", "delete from issues", "delete from events", "update events set level = 0", "select from logins", "select from api_tokens", "insert into users default values", "delete from projects", "drop table events", "create table x (a int)"},
		"processor": {"select from logins", "select from api_tokens", "update users set name = ''", "update users set email = ''", "delete from alert_rules", "select settings from alert_destinations", "update deliveries set state = 1"},
		"web":       {"drop table events", "alter table events add column x int", "create table x (a int)"},
	}
	for service, list := range forbidden {
		conn := conns[service]
		for _, sql := range slices.Concat(everyone, list) {
			_, err := conn.Exec(t.Context(), sql)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != denied {
				t.Errorf("%s: %s: want it denied, got %v", service, sql, err)
			}
		}
	}
}

// TestPartitionsAreKeptUnderTheRole: the processor makes and drops them, also those the owner made.
func TestPartitionsAreKeptUnderTheRole(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	owner := pgtest.Open(t, address)
	now := time.Now()
	if err := owner.EnsurePartitions(t.Context(), now.AddDate(0, 0, -10)); err != nil {
		t.Fatal(err)
	}
	if err := postgres.EnsureRoles(t.Context(), address, map[string]string{"processor": "secret"}); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	role := postgres.RoleName(strings.TrimPrefix(u.Path, "/"), "processor")
	u.User = url.UserPassword(role, "secret")
	st := pgtest.Open(t, u.String())
	if err := st.EnsurePartitions(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if n, err := st.DropPartitions(t.Context(), now.AddDate(0, 0, -5)); err != nil || n != 5 {
		t.Errorf("dropped the partitions of %d days, %v", n, err)
	}
	if err := postgres.Migrate(t.Context(), address); err != nil {
		t.Error(err)
	}
	execute(t, address, "alter table events add column of_the_next_release integer", "drop owned by "+role+" cascade", "drop role "+role)
}

func TestRolesOfStrangersAreRefused(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	for service, password := range map[string]string{"ingest": "x", "admin": "x", "web": ""} {
		if err := postgres.EnsureRoles(t.Context(), address, map[string]string{service: password}); err == nil {
			t.Errorf("%s with %q: want it refused", service, password)
		}
	}
}
