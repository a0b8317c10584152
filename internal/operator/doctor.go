package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// DoctorCmd checks a running installation for what operators forget.
type DoctorCmd struct {
	Remote
	DatabaseURL string        `name:"database-url" help:"Its Postgres, when that is not the private one." env:"TOCSIN_DATABASE_URL"`
	Backups     string        `help:"Folder with backups, to check that the newest is younger than --backup-age." env:"TOCSIN_BACKUPS" type:"path"`
	BackupAge   time.Duration `help:"How old the newest backup may be." default:"26h"`
	JSON        bool          `name:"json" help:"Print JSON."`
}

// finding is the result of one check: what was seen, and what to do about it.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warn, fail
	Seen   string `json:"seen"`
	Advice string `json:"advice,omitempty"`
}

type examination struct {
	*DoctorCmd
	found []finding
}

func (e *examination) ok(check, seen string, args ...any) {
	e.found = append(e.found, finding{check, "ok", fmt.Sprintf(seen, args...), ""})
}

func (e *examination) warn(check, advice, seen string, args ...any) {
	e.found = append(e.found, finding{check, "warn", fmt.Sprintf(seen, args...), advice})
}

func (e *examination) fail(check, advice, seen string, args ...any) {
	e.found = append(e.found, finding{check, "fail", fmt.Sprintf(seen, args...), advice})
}

var errSick = errors.New("something needs care")

// Run implements the command. Every check is made, whatever the others found.
func (d *DoctorCmd) Run(ctx context.Context, out io.Writer) error {
	e := &examination{DoctorCmd: d}
	if err := d.complete(); err != nil {
		e.fail("installation", "Name the folder with --data, or give --url and --token; run the doctor as the account that runs Tocsin.", "%v", err)
	} else if e.service(ctx) {
		e.queues(ctx)
	}
	e.folder()
	e.machine()
	e.backups()
	e.database(ctx)
	sick := slices.ContainsFunc(e.found, func(f finding) bool { return f.State == "fail" })
	if d.JSON {
		if err := writeJSON(out, e.found); err != nil {
			return err
		}
	} else if err := e.print(out); err != nil {
		return err
	}
	if sick {
		return errSick
	}
	return nil
}

func (e *examination) print(out io.Writer) error {
	err := table(out, "\tCHECK\tSEEN", func(w io.Writer) {
		for _, f := range e.found {
			mark := map[string]string{"ok": "✓", "warn": "!", "fail": "✗"}[f.State]
			fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.Check, oneLine(f.Seen))
		}
	})
	for _, f := range e.found {
		if f.Advice != "" && err == nil {
			_, err = fmt.Fprintf(out, "\n%s: %s\n", f.Check, f.Advice)
		}
	}
	return err
}

// service asks the installation how it is, and compares clocks and addresses. It reports whether there is an
// answer.
func (e *examination) service(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/_health/?full", nil)
	if err != nil {
		e.fail("service", "Give the address of the web service with --url.", "%v", err)
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		e.fail("service", "Start it with tocsin up, or correct --url. What its queues hold cannot be said until it answers.", "nobody answers at %s: %v", e.URL, rootCause(err))
		return false
	}
	defer res.Body.Close()
	var health struct{ Problems []string }
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&health); err != nil {
		e.fail("service", "Something else answers at this address; correct --url.", "the health answer of %s cannot be read", e.URL)
		return false
	}
	if len(health.Problems) > 0 {
		e.fail("service", "The log of the named service says more.", "%s", strings.Join(health.Problems, "; "))
	} else {
		e.ok("service", "%s answers and has all it needs", e.URL)
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := time.Since(at).Abs(); skew > 5*time.Second {
			e.warn("clock", "Run a time service on both machines: events are filed by the server's clock.", "the server's clock differs by %s", skew.Round(time.Second))
		} else {
			e.ok("clock", "the clocks agree")
		}
	}
	if u, err := url.Parse(e.URL); err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && !strings.HasPrefix(u.Hostname(), "127.") {
		e.warn("encryption", "Put a TLS proxy in front and set --url to its https address: passwords and events travel readable.", "%s is not encrypted", e.URL)
	}
	return true
}

// rootCause is what an error comes down to, such as "connection refused".
func rootCause(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

// queues looks at what waits, what is paused and what was given up.
func (e *examination) queues(ctx context.Context) {
	var queues []struct {
		queueState
		IsDeadLetter bool `json:"isDeadLetterQueue"`
	}
	if _, err := e.call(ctx, http.MethodGet, "queues/", nil, nil, &queues); err != nil {
		e.fail("queues", "The token must be an owner's; make one on the account page and give it with --token.", "%v", err)
		return
	}
	for _, q := range queues {
		switch {
		case q.IsDeadLetter && q.Packs > 0:
			e.warn("dead letters", "Look with tocsin dlq list, try with tocsin dlq dry-run, then replay or discard them.", "%d messages could not be handled", q.Packs)
		case q.Paused != nil:
			e.fail("queue "+q.Name, "When the cause is mended: tocsin queue resume "+q.Name, "paused by %s: %s", q.Paused.By, q.Paused.Reason)
		case q.Packs > 0 && q.AgeSeconds > 60:
			e.fail("queue "+q.Name, "Its consumer does not keep up or does not run: see the service's log, and the database's load.", "the oldest message waits for %.0f s", q.AgeSeconds)
		default:
			e.ok("queue "+q.Name, "%d packs wait", q.Packs)
		}
	}
}

// folder looks at who can read the secrets.
func (e *examination) folder() {
	for _, name := range []string{"bootstrap.json", "secret.key"} {
		info, err := os.Stat(filepath.Join(e.Data, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			e.warn(name, "Run the doctor as the account that runs Tocsin.", "%v", err)
			continue
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			e.fail(name, "chmod 600 "+filepath.Join(e.Data, name), "others can read it (mode %o)", mode)
		} else {
			e.ok(name, "only its owner can read it")
		}
	}
}

// machine looks at the room there is.
func (e *examination) machine() {
	var s syscall.Statfs_t
	if err := syscall.Statfs(e.Data, &s); err == nil && s.Blocks > 0 {
		free := int64(s.Bavail) * int64(s.Bsize)
		share := float64(s.Bavail) / float64(s.Blocks)
		switch {
		case share < 0.05 || free < 1<<30:
			e.fail("disk", "Make room or lower --retention-days: below 5 % the queue stops taking events.", "%.1f GiB free (%.0f %%)", float64(free)/(1<<30), share*100)
		case share < 0.15:
			e.warn("disk", "Make room or lower --retention-days.", "%.1f GiB free (%.0f %%)", float64(free)/(1<<30), share*100)
		default:
			e.ok("disk", "%.1f GiB free (%.0f %%)", float64(free)/(1<<30), share*100)
		}
		if s.Files > 0 && float64(s.Ffree)/float64(s.Files) < 0.05 {
			e.fail("disk", "The file system runs out of inodes: move --data to another one.", "%d inodes left", s.Ffree)
		}
	}
	if took, err := syncTime(e.Data); err == nil {
		if took > 20*time.Millisecond {
			e.warn("disk sync", "Each acknowledged event waits for the disk: use a local solid-state disk for --data.", "a synced write takes %s", took.Round(time.Millisecond))
		} else {
			e.ok("disk sync", "a synced write takes %s", took.Round(10*time.Microsecond))
		}
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		if files.Max < 4096 {
			e.warn("open files", "Set LimitNOFILE=65536 in the unit, or ulimit -n 65536.", "%d at most", files.Max)
		} else {
			e.ok("open files", "%d at most", files.Max)
		}
	}
}

// syncTime is the median of some synced writes in the folder.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	took := make([]time.Duration, 15)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// backups looks at the newest backup.
func (e *examination) backups() {
	const advice = "Run tocsin backup daily, keep copies elsewhere, and name their folder with --backups."
	if e.Backups == "" {
		e.warn("backup", advice, "nobody told where backups are kept")
		return
	}
	names, err := filepath.Glob(filepath.Join(e.Backups, "*", manifestFile))
	var newest time.Time
	for _, name := range names {
		text, err := os.ReadFile(name)
		var m manifest
		if err == nil && json.Unmarshal(text, &m) == nil && m.CreatedAt.After(newest) {
			newest = m.CreatedAt
		}
	}
	age := time.Since(newest).Round(time.Minute)
	switch {
	case err != nil || newest.IsZero():
		e.fail("backup", advice, "there is none in %s", e.Backups)
	case age > e.BackupAge:
		e.fail("backup", advice, "the newest is %s old", age)
	default:
		e.ok("backup", "the newest is %s old; tocsin verify rehearses it", age)
	}
}

// database looks at settings that decide what survives, and at what grows unseen.
func (e *examination) database(ctx context.Context) {
	address, err := databaseOf(e.DatabaseURL, e.Data)
	if err != nil {
		e.warn("database", "Start it, or give the address of another with --database-url. The private one is read by the account that runs Tocsin.", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := postgres.CheckSchema(ctx, address); err != nil {
		e.fail("schema", "Run tocsin migrate of the release that runs.", "%v", err)
	} else {
		e.ok("schema", "is this release's")
	}
	st, err := postgres.Open(ctx, address, postgres.Options{Name: "doctor", MaxConns: 1})
	if err != nil {
		e.fail("database", "Correct --database-url.", "%v", err)
		return
	}
	defer st.Close()
	c, err := st.Checkup(ctx)
	for range 20 { // a processor that just started is at it
		if err != nil || c.DaysAhead >= fewDays || !app.Sleep(ctx, 250*time.Millisecond) {
			break
		}
		c, err = st.Checkup(ctx)
	}
	if err != nil {
		e.fail("database", "See its log.", "%v", err)
		return
	}
	e.settings(c)
	e.growth(c)
	e.ledger(ctx, st)
}

func (e *examination) settings(c postgres.Checkup) {
	if c.Fsync == "on" && c.FullPageWrites == "on" && c.SynchronousCommit != "off" {
		e.ok("database durability", "fsync, full_page_writes and synchronous_commit are on")
	} else {
		e.fail("database durability", "Set fsync, full_page_writes and synchronous_commit to on: as it is, events that were acknowledged are lost with the machine.",
			"fsync %s, full_page_writes %s, synchronous_commit %s", c.Fsync, c.FullPageWrites, c.SynchronousCommit)
	}
	if c.Version < 150000 {
		e.fail("database version", "Upgrade Postgres to 15 or newer.", "%d", c.Version/10000)
	} else {
		e.ok("database version", "%d.%d", c.Version/10000, c.Version%10000)
	}
	if c.Checksums != "on" {
		e.warn("database checksums", "Enable data checksums (pg_checksums --enable while it is down): a damaged page stays unnoticed without.", "they are off")
	}
	if free := c.MaxConnections - c.Connections; free < 10 {
		e.warn("database connections", "Raise max_connections: each service's pool may take ten.", "%d of %d are in use", c.Connections, c.MaxConnections)
	} else {
		e.ok("database connections", "%d of %d are in use", c.Connections, c.MaxConnections)
	}
	if e.DatabaseURL != "" && c.Superuser {
		e.warn("database role", "Give Tocsin a role that owns its database and nothing else.", "it connects as a superuser")
	}
	if len(c.OwnerServices) > 0 {
		e.warn("service roles", "Make a role for each with tocsin migrate --role-passwords, and give each service the address with its own.",
			"%s may do everything to the database: connected as its owner", strings.Join(c.OwnerServices, ", "))
	} else if e.DatabaseURL != "" {
		e.ok("service roles", "no service is connected as the owner of the tables")
	}
}

// fewDays is for how many days ahead there must be partitions: a weekend of a processor that stands still.
const fewDays = 3

func (e *examination) growth(c postgres.Checkup) {
	if c.DaysAhead < fewDays {
		e.fail("partitions", "The processor makes them: see its log. Without one, events of that day cannot be stored.", "made for %d days ahead", c.DaysAhead)
	} else {
		e.ok("partitions", "made for %d days ahead", c.DaysAhead)
	}
	if c.OldestTransaction > 10*time.Minute {
		e.warn("long transaction", "Find it in pg_stat_activity and end it: nothing can be cleaned up behind it.", "one runs for %s", c.OldestTransaction.Round(time.Second))
	}
	if c.XidAge > 1_000_000_000 {
		e.fail("transaction ids", "Run vacuum freeze: at two billion the database stops.", "%d since the last freeze", c.XidAge)
	}
	if c.Outbox > 5*time.Minute {
		e.fail("alerts", "The processor hands them to the notifier: see its log and queue alerts.", "the oldest waits for %s", c.Outbox.Round(time.Second))
	}
	if c.EnabledRules == 0 {
		e.warn("alert rules", "Make a rule, so that somebody hears of new issues.", "none is enabled")
	} else {
		e.ok("alert rules", "%d are enabled", c.EnabledRules)
	}
}

// ledger compares what was received with what became of it.
func (e *examination) ledger(ctx context.Context, st *postgres.Store) {
	now := time.Now().UTC()
	l, err := st.CheckLedger(ctx, now.Add(-24*time.Hour).Truncate(time.Minute), now.Add(-2*time.Minute))
	switch {
	case err != nil:
		e.fail("ledger", "See the database's log.", "%v", err)
	case l.Difference() != 0:
		e.fail("ledger", "tocsin ledger check names the minutes; dead letters and a spool that waits explain most.", "%d of %d items of the last day have no outcome, %d were not received", l.Missing, l.Received, l.Surplus)
	default:
		e.ok("ledger", "%d items of the last day, each with its outcome", l.Received)
	}
}

// UpgradeCmd tells what an upgrade to this release would do.
type UpgradeCmd struct {
	Check       bool   `help:"Only tell, change nothing." required:""`
	Data        string `help:"Folder of the installation." default:"./data" env:"TOCSIN_DATA" type:"path"`
	DatabaseURL string `name:"database-url" help:"Its Postgres, when that is not the private one." env:"TOCSIN_DATABASE_URL"`
}

// Run implements the command.
func (u *UpgradeCmd) Run(ctx context.Context, out io.Writer) error {
	address, err := databaseOf(u.DatabaseURL, u.Data)
	if err != nil {
		return err
	}
	current, target, err := postgres.SchemaVersion(ctx, address)
	if err != nil {
		return err
	}
	if current > target {
		return fault.New(fault.Conflict, "the database is of a later release (schema %d, this program's is %d); run upgrade --check of the release that is to run", current, target)
	}
	pending, err := postgres.PendingMigrations(ctx, address)
	if err != nil {
		return err
	}
	if len(pending) == 0 {
		_, err := fmt.Fprintln(out, "The schema is this release's: replace the programs and restart them, one after the other.")
		return err
	}
	for _, name := range pending {
		fmt.Fprintln(out, "to apply:", name)
	}
	_, err = fmt.Fprintln(out, "\nAll of them are online: take a backup, run tocsin migrate of this release while the old one runs,\nthen replace processor, notifier, web and ingest in this order. tocsin up does all of it at its start.")
	return err
}
