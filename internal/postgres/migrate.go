package postgres

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/migrations"
)

// Migrate brings the database at url to the schema of this release. Processes that migrate at the
// same time wait for each other. A statement that waits two seconds for a lock gives way to the
// traffic and is tried again.
func Migrate(ctx context.Context, url string) error {
	p, db, err := provider(url)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for attempt := 1; ; attempt++ {
		results, err := p.Up(ctx)
		for _, r := range results {
			slog.InfoContext(ctx, "migration applied", "version", r.Source.Version, "took", r.Duration)
		}
		if code := codeOf(err); attempt == 30 || code != codeLockTimeout && code != codeDeadlock {
			if err != nil {
				return translate(err, "migrate the database")
			}
			break
		}
		slog.WarnContext(ctx, "a migration gave way to running statements", "err", err)
		select {
		case <-ctx.Done():
			return translate(ctx.Err(), "migrate the database")
		case <-time.After(time.Second):
		}
	}
	return checkVersion(ctx, p)
}

// CheckSchema reports as fault.Conflict a database that lacks migrations of this release. The
// schema of the next release passes: it serves this one too.
func CheckSchema(ctx context.Context, url string) error {
	p, db, err := provider(url)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return checkVersion(ctx, p)
}

// LatestSchema is the schema version that this release brings.
func LatestSchema() (latest int64) {
	names, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is well formed
	for _, name := range names {
		if n, err := goose.NumericComponent(name); err == nil {
			latest = max(latest, n)
		}
	}
	return latest
}

// SchemaVersion returns the version of the database's schema and the one this release brings.
func SchemaVersion(ctx context.Context, url string) (current, target int64, err error) {
	p, db, err := provider(url)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = db.Close() }()
	current, target, err = p.GetVersions(ctx)
	return current, target, translate(err, "read the schema version")
}

// PendingMigrations lists the migrations that Migrate would apply, in order.
func PendingMigrations(ctx context.Context, url string) ([]string, error) {
	p, db, err := provider(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	all, err := p.Status(ctx)
	if err != nil {
		return nil, translate(err, "read the schema version")
	}
	var names []string
	for _, m := range all {
		if m.State == goose.StatePending {
			names = append(names, m.Source.Path)
		}
	}
	return names, nil
}

func checkVersion(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return translate(err, "read the schema version")
	case current < target:
		return fault.New(fault.Conflict, "the database has schema version %d and this release needs %d; run \"tocsin migrate\"", current, target)
	}
	return nil
}

func provider(url string) (*goose.Provider, *sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, invalidURL(err)
	}
	setDefaults(config.RuntimeParams, map[string]string{"application_name": "tocsin migrate", "timezone": "UTC", "lock_timeout": "2000"})
	db := stdlib.OpenDB(*config)
	locker, err := lock.NewPostgresTableLocker( // a lease row: advisory locks do not exist on every compatible engine
		lock.WithTableName("migration_lease"), lock.WithTableLockTimeout(200*time.Millisecond, 1500),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)))
	if err == nil {
		var p *goose.Provider
		if p, err = goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithLocker(locker),
			goose.WithTableName("schema_versions"), goose.WithDisableGlobalRegistry(true)); err == nil {
			return p, db, nil
		}
	}
	_ = db.Close()
	return nil, nil, fault.Wrap(err, fault.Internal, "read the embedded migrations")
}
