package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

// follow makes a copy of Postgres that follows it, and lets no transaction commit that the copy does not
// have.
func (f *Fleet) follow(ctx context.Context) error {
	dir := filepath.Join(f.Dir, "standby")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	password, err := os.ReadFile(filepath.Join(f.Dir, "postgres", "password"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "password"), password, 0o600)
	}
	if err != nil {
		return err
	}
	u, err := url.Parse(f.Postgres.URL())
	if err != nil {
		return err
	}
	programs, err := embedded.Programs()
	if err != nil {
		return err
	}
	copying := exec.CommandContext(ctx, filepath.Join(programs, "pg_basebackup"), "-h", u.Query().Get("host"), "-U", u.User.Username(), "-D", filepath.Join(dir, "data"), "-X", "stream", "-R", "-c", "fast")
	copying.Env = append(os.Environ(), "PGPASSWORD="+strings.TrimSpace(string(password)))
	if out, err := copying.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if f.Standby, err = embedded.Start(ctx, embedded.Options{Dir: dir}); err != nil {
		return err
	}
	return statements(ctx, f.Postgres.URL(), "alter system set synchronous_standby_names = 'ANY 1 (*)'", "select pg_reload_conf()")
}

func statements(ctx context.Context, url string, list ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range list {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// FailOver ends Postgres as a power cut would, for good, and makes its standby the one.
func (f *Fleet) FailOver(ctx context.Context) error {
	if err := f.KillPostgres(); err != nil {
		return err
	}
	_ = f.Postgres.Stop() // it must not come back: nothing tells it that it is not the one any more
	f.Postgres, f.Standby = f.Standby, nil
	return statements(ctx, f.Postgres.URL(), "select pg_promote(true, 60)")
}

// bothHosts lets an address name the standby too, of which connections pick the one that takes writes.
func (f *Fleet) bothHosts(u *url.URL) error {
	other, err := url.Parse(f.Standby.URL())
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("host", q.Get("host")+","+other.Query().Get("host"))
	q.Set("target_session_attrs", "read-write")
	u.RawQuery = q.Encode()
	return nil
}

// stopPostgres ends the database and what follows it.
func (f *Fleet) stopPostgres() (err error) {
	for _, s := range []**embedded.Server{&f.Standby, &f.Postgres} {
		if *s != nil {
			err = errors.Join(err, (*s).Stop())
			*s = nil
		}
	}
	return err
}
