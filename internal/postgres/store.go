package postgres

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options tune a Store. The zero value serves a service.
type Options struct {
	Name             string          // application_name, as pg_stat_activity shows it
	MaxConns         int             // 0: DefaultConns
	StatementTimeout time.Duration   // 0: 30 s
	Tracer           pgx.QueryTracer // sees every statement beside telemetry; nil: nobody
}

// DefaultConns is how many connections a service keeps at most: those of a small machine until there are
// processors for more.
func DefaultConns() int { return max(10, 3*runtime.GOMAXPROCS(0)) }

// Store reads and writes the database. It is safe for concurrent use.
type Store struct {
	db           *pgxpool.Pool
	partitions   partitions
	dictionaries dictionaries
	decoders     dictionaryDecoders
	properties   propertyMemory
	habits       habits
	owners       ownerCache

	configured chan struct{} // holds one when what ingest works from has changed
}

// Open returns a store for the database at url. It does not connect yet: a database that is away
// shows as fault.Unavailable on use. fault.Invalid: url is malformed.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, invalidURL(err)
	}
	if o.MaxConns == 0 {
		o.MaxConns = DefaultConns()
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = 30 * time.Second
	}
	config.MaxConns = int32(o.MaxConns)
	config.MinIdleConns = 1
	config.MaxConnIdleTime = 5 * time.Minute
	config.MaxConnLifetime = time.Hour
	config.MaxConnLifetimeJitter = 10 * time.Minute
	config.HealthCheckPeriod = 30 * time.Second
	c := config.ConnConfig
	c.ConnectTimeout = 5 * time.Second
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	c.Tracer = otelpgx.NewTracer(otelpgx.WithDisableSQLStatementInAttributes())
	if o.Tracer != nil {
		c.Tracer = multitracer.New(c.Tracer, o.Tracer)
	}
	setDefaults(c.RuntimeParams, map[string]string{
		"application_name":                    "tocsin " + o.Name,
		"timezone":                            "UTC",
		"statement_timeout":                   strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10),
		"lock_timeout":                        "10000",
		"idle_in_transaction_session_timeout": "60000",
	})
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, translate(err, "open the database")
	}
	return &Store{db: db, configured: make(chan struct{}, 1)}, nil
}

func setDefaults(params, defaults map[string]string) {
	for k, v := range defaults {
		if _, given := params[k]; !given {
			params[k] = v
		}
	}
}

// Close ends every connection, after those in use are returned.
func (st *Store) Close() { st.db.Close() }

// Ping reports whether the database answers.
func (st *Store) Ping(ctx context.Context) error {
	return translate(st.db.Ping(ctx), "reach the database")
}
