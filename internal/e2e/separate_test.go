package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

// deployment is the four separate programs with a NATS server and a Postgres cluster of their own.
type deployment struct {
	t *testing.T
	credentials
	dir       string
	natsAddr  string
	addresses map[string]string
	urls      map[string]string // NATS address with the credentials of a service
	postgres  *embedded.Server
	programs  map[string]*program
	db        *pgxpool.Pool
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-separate-")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(dir, 0o711)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &deployment{t: t, dir: dir, natsAddr: freeAddress(t), addresses: map[string]string{}, urls: map[string]string{}, programs: map[string]*program{}}

	d.postgres, err = embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.postgres.Stop() })

	natsServer := filepath.Join(bin, "nats-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", natsServer, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	d.configureNATS()
	d.start("nats-server")
	run(d.t, "migrate", "--database-url", d.postgres.URL(), "--nats-url", d.urls["admin"])
	for _, s := range []string{"ingest", "processor", "notifier", "web"} {
		d.addresses[s] = freeAddress(t)
	}
	out := filepath.Join(dir, "bootstrap.json")
	run(d.t, "bootstrap", "--database-url", d.postgres.URL(), "--url", "http://"+d.addresses["web"], "--ingest-url", "http://"+d.addresses["ingest"], "--out", out)
	d.credentials = readCredentials(t, out)
	for s := range d.addresses {
		d.start(s)
	}
	for s, addr := range d.addresses {
		d.programs[s].await("readiness", 60*time.Second, healthy("http://"+addr))
	}
	if d.db, err = pgxpool.New(t.Context(), d.postgres.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.db.Close)
	return d
}

// configureNATS writes what tocsin bindings nats-config prints, and reads the users back from it.
func (d *deployment) configureNATS() {
	out := run(d.t, "bindings", "nats-config", "--listen", d.natsAddr, "--store-dir", filepath.Join(d.dir, "nats"))
	if err := os.WriteFile(filepath.Join(d.dir, "nats.conf"), []byte(out), 0o600); err != nil {
		d.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllStringSubmatch(out, -1) {
		d.urls[m[1]] = fmt.Sprintf("nats://%s:%s@%s", m[1], m[2], d.natsAddr)
	}
	if len(d.urls) < 5 {
		d.t.Fatalf("nats-config names the users %v", d.urls)
	}
}

// start runs one of the programs, again after it was killed.
func (d *deployment) start(name string) {
	d.t.Helper()
	if name == "nats-server" {
		d.programs[name] = launch(d.t, nil, name, "-c", filepath.Join(d.dir, "nats.conf"))
		return
	}
	d.programs[name] = launch(d.t, []string{"TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8"}, name, "--listen", d.addresses[name],
		"--database-url", d.postgres.URL(), "--nats-url", d.urls[name], "--data", filepath.Join(d.dir, "data"), "--url", d.URL)
}

// killPostgres kills the whole cluster as a power cut would; its supervisor starts it again.
func (d *deployment) killPostgres() {
	pid, err := os.ReadFile(filepath.Join(d.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		d.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(pid), "\n")
	n, err := strconv.Atoi(first)
	if err != nil {
		d.t.Fatal(err)
	}
	_ = syscall.Kill(n, syscall.SIGKILL)
}

// load sends events of a few issues until stop, and keeps the ids that were acknowledged.
type load struct {
	mu      sync.Mutex
	acked   []string
	refused atomic.Int64 // answers that are not 2xx
	cut     atomic.Int64 // requests without an answer
	sample  atomic.Value
	group   sync.WaitGroup
	stop    context.CancelFunc
}

func (d *deployment) load(workers int) *load {
	ctx, cancel := context.WithCancel(d.t.Context())
	l := &load{stop: cancel}
	for w := range workers {
		rng := rand.New(rand.NewPCG(1, uint64(w)))
		l.group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
				event := fmt.Sprintf(`{"message":"load","fingerprint":["load-%d"],"tags":{"worker":"%d"},"user":{"id":"%d"}}`, n%20, w, n%50)
				status, err := d.send(context.WithoutCancel(ctx), id, event)
				switch {
				case err != nil:
					l.cut.Add(1)
					time.Sleep(5 * time.Millisecond) // do not spin while nobody listens
				case status != http.StatusOK:
					l.refused.Add(1)
					l.sample.Store(strconv.Itoa(status))
				default:
					l.mu.Lock()
					l.acked = append(l.acked, id)
					l.mu.Unlock()
				}
			}
		})
	}
	d.t.Cleanup(func() { l.stop(); l.group.Wait() })
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// awaitMore returns after n more events were acknowledged.
func (d *deployment) awaitMore(l *load, n int, while string) {
	d.t.Helper()
	from := l.count()
	err := eventually(d.t.Context(), 60*time.Second, func(context.Context) error {
		if got := l.count() - from; got < n {
			return fmt.Errorf("%d of %d events acknowledged", got, n)
		}
		return nil
	}, nil)
	if err != nil {
		d.t.Fatalf("%s: %v", while, err)
	}
}

// TestNothingIsLostWhenAnyProgramIsKilled kills every program in turn under load and then compares
// the ledger of acknowledged events with what is stored.
func TestNothingIsLostWhenAnyProgramIsKilled(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	l := d.load(8)
	d.awaitMore(l, 300, "before the first kill")
	for range 2 {
		for _, victim := range []string{"processor", "notifier", "web"} {
			d.programs[victim].kill()
			d.awaitMore(l, 200, victim+" is dead")
			d.start(victim)
		}
		d.programs["nats-server"].kill()
		d.awaitMore(l, 200, "NATS is dead")
		d.start("nats-server")
		d.awaitMore(l, 200, "NATS is back")
		d.killPostgres()
		d.awaitMore(l, 200, "Postgres was killed")
	}
	if n := l.refused.Load(); n != 0 || l.cut.Load() != 0 {
		t.Errorf("ingest refused %d events (status %v) and cut %d while only others were killed", n, l.sample.Load(), l.cut.Load())
	}
	for range 3 {
		d.programs["ingest"].kill()
		d.start("ingest")
		d.programs["ingest"].await("readiness", 30*time.Second, healthy("http://"+d.addresses["ingest"]))
		d.awaitMore(l, 100, "ingest is back")
	}
	if n := l.refused.Load(); n != 0 {
		t.Errorf("%d answers were not 2xx (%v)", n, l.sample.Load())
	}
	l.stop()
	l.group.Wait()
	d.reconcile(l)
}

// reconcile waits until every acknowledged event is stored and counted exactly once. Events whose
// answer was cut off may be stored too.
func (d *deployment) reconcile(l *load) {
	d.t.Helper()
	var stored, seen, counted, missing int
	err := eventually(d.t.Context(), 90*time.Second, func(ctx context.Context) error {
		err := d.db.QueryRow(ctx, `select (select count(*) from events), (select count(*) from event_seen),
			(select coalesce(sum(times_seen), 0) from issues),
			(select count(*) from unnest($1::uuid[]) as a(id) where not exists
				(select from events e where e.event_id = a.id and e.project_id = $2))`, l.acked, d.ProjectID).Scan(&stored, &seen, &counted, &missing)
		if err == nil && missing > 0 {
			err = fmt.Errorf("%d of %d acknowledged events are not stored", missing, len(l.acked))
		}
		return err
	}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Logf("acknowledged %d, cut off %d, stored %d, counted %d, lost %d", len(l.acked), l.cut.Load(), stored, counted, missing)
	if stored != seen || stored != counted {
		d.t.Errorf("events %d, identities %d, counts of issues %d: want all equal", stored, seen, counted)
	}
	if extra := stored - len(l.acked); extra < 0 || extra > int(l.cut.Load()) {
		d.t.Errorf("%d more events stored than acknowledged, %d answers were cut off", extra, l.cut.Load())
	}
}
