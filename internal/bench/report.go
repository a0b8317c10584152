package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
)

// report is everything one run of the program found.
type report struct {
	Machine  machine     `json:"machine"`
	Ingest   *ingestLoad `json:"ingest,omitempty"`
	Loads    []load      `json:"loads"`
	Calls    *roundTrip  `json:"calls,omitempty"`
	Separate *separate   `json:"separate,omitempty"`
	Spread   []spread    `json:"spread,omitempty"`
	Growth   []grown     `json:"growth,omitempty"`
}

// machine is what this machine can do without us.
type machine struct {
	HTTPPerSecond float64 `json:"http_per_second"` // requests of a typical body that are only read
	SyncMillis    float64 `json:"sync_ms"`         // median append of 8 KiB with fdatasync
}

// load is one run of the reference load.
type load struct {
	EventBytes    int     `json:"event_bytes"`
	Accepted      int     `json:"accepted"`
	Refused       int     `json:"refused"`
	Lost          int64   `json:"lost"`
	Drained       float64 `json:"drained_per_second"`
	Behind        float64 `json:"behind_seconds"`
	P50           float64 `json:"accept_p50_ms"`
	P99           float64 `json:"accept_p99_ms"`
	CPUOwn        float64 `json:"cpu_seconds_per_1000_own"`
	CPUPostgres   float64 `json:"cpu_seconds_per_1000_postgres"`
	CPULimited    float64 `json:"cpu_seconds_per_1000_limited"`
	CPUDenied     float64 `json:"cpu_seconds_per_1000_denied"`
	DiskPerEvent  float64 `json:"disk_bytes_per_event"`
	IdleRSS       int64   `json:"rss_idle_bytes"`
	PeakRSS       int64   `json:"rss_peak_bytes"`
	OpenRate      float64 `json:"open_rate_per_second"`
	OpenRefused   int     `json:"open_refused"`
	OpenP50       float64 `json:"open_p50_ms"`
	OpenP99       float64 `json:"open_p99_ms"`
	Age99         float64 `json:"age_p99_seconds"`   // at 80 % of the rate, when stored: upper bounds of the
	AgeWorst      float64 `json:"age_worst_seconds"` // oldest events of 99 % of the batches, and of all
	FirstStart    float64 `json:"first_start_seconds"`
	SecondStart   float64 `json:"second_start_seconds"`
	CopyPerSecond float64 `json:"copy_per_second"` // rows of 2 KiB that this Postgres takes by COPY
}

func median(list []load, f func(load) float64) float64 {
	values := make([]float64, len(list))
	for i, l := range list {
		values[i] = f(l)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (r *report) print(out io.Writer, o options) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	row("machine: HTTP bodies read", "%.0f/s", r.Machine.HTTPPerSecond)
	row("machine: synced append of 8 KiB", "%.2f ms", r.Machine.SyncMillis)
	if r.Ingest != nil {
		for _, l := range r.Ingest.lines() {
			row(l[0], "%s", l[1])
		}
	}
	if len(r.Loads) > 0 {
		r.printLoads(row, o)
	}
	if c := r.Calls; c != nil {
		row("call from service to service p50, p99", "in process %.2f, %.2f ms; over TCP %.2f, %.2f ms", c.InProcess.P50, c.InProcess.P99, c.TCP.P50, c.TCP.P99)
	}
	if s := r.Separate; s != nil {
		row("drained by separate programs", "%.0f events/s, %.2f of all in one", s.Drained, s.Drained/median(r.Loads, func(l load) float64 { return l.Drained }))
		for _, p := range programs {
			c := s.Programs[p]
			row("  "+p, "%.3f s of CPU per 1,000 events, memory idle %d, peak %d MiB", c.CPU, c.Idle>>20, c.Peak>>20)
		}
	}
	for _, s := range r.Spread {
		row(fmt.Sprintf("drained over %d projects", s.Projects), "%.0f events/s", s.Drained)
	}
	w.Flush()
	r.printGrowth(out)
}

// printGrowth prints a column for each size.
func (r *report) printGrowth(out io.Writer) {
	if len(r.Growth) == 0 {
		return
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, cell func(grown) string) {
		fmt.Fprint(w, name)
		for _, g := range r.Growth {
			fmt.Fprintf(w, "\t%s", cell(g))
		}
		fmt.Fprintln(w)
	}
	row("issues", func(g grown) string { return strconv.Itoa(g.Issues) })
	row("events", func(g grown) string { return strconv.Itoa(g.Events) })
	row("filled in", func(g grown) string { return fmt.Sprintf("%.0f s", g.Made) })
	row("drained", func(g grown) string { return fmt.Sprintf("%.0f events/s", g.Drained) })
	for i, p := range r.Growth[0].Pages {
		row(p.Name+" p50, p95", func(g grown) string {
			return fmt.Sprintf("%.1f, %.1f ms", g.Pages[i].Millis.P50, g.Pages[i].Millis.P95)
		})
	}
	w.Flush()
}

// printLoads prints the medians of the reference loads.
func (r *report) printLoads(row func(name, format string, values ...any), o options) {
	m := func(f func(load) float64) float64 { return median(r.Loads, f) }
	row("machine: rows of 2 KiB copied into Postgres", "%.0f/s", m(func(l load) float64 { return l.CopyPerSecond }))
	row("load", "%s events of %d bytes, %d issues, %d connections, %d s, %d runs (medians)", o.size, r.Loads[0].EventBytes, o.groups, o.connections, o.seconds, len(r.Loads))
	row("drained", "%.0f events/s", m(func(l load) float64 { return l.Drained }))
	row("share of HTTP limit", "%.3f", m(func(l load) float64 { return l.Drained / r.Machine.HTTPPerSecond }))
	row("backlog after the load", "%.2f s", m(func(l load) float64 { return l.Behind }))
	row("lost, refused", "%.0f, %.0f", m(func(l load) float64 { return float64(l.Lost) }), m(func(l load) float64 { return float64(l.Refused) }))
	row("accept p50, p99", "%.1f, %.1f ms", m(func(l load) float64 { return l.P50 }), m(func(l load) float64 { return l.P99 }))
	row("open loop at half rate p50, p99", "%.1f, %.1f ms at %.0f/s", m(func(l load) float64 { return l.OpenP50 }), m(func(l load) float64 { return l.OpenP99 }), m(func(l load) float64 { return l.OpenRate }))
	row("age when stored at 80 % of the rate", "at most %.2f s for 99 %% of the batches, %.2f s for all", m(func(l load) float64 { return l.Age99 }), m(func(l load) float64 { return l.AgeWorst }))
	row("CPU per 1,000 events", "%.3f s (ours %.3f, Postgres %.3f)", m(func(l load) float64 { return l.CPUOwn + l.CPUPostgres }), m(func(l load) float64 { return l.CPUOwn }), m(func(l load) float64 { return l.CPUPostgres }))
	row("CPU per 1,000 refused", "over a limit %.3f s, unknown key %.3f s", m(func(l load) float64 { return l.CPULimited }), m(func(l load) float64 { return l.CPUDenied }))
	row("disk per event", "%.0f bytes", m(func(l load) float64 { return l.DiskPerEvent }))
	row("memory idle, peak", "%.0f, %.0f MiB", m(func(l load) float64 { return float64(l.IdleRSS >> 20) }), m(func(l load) float64 { return float64(l.PeakRSS >> 20) }))
	row("start, second start", "%.1f, %.1f s", m(func(l load) float64 { return l.FirstStart }), m(func(l load) float64 { return l.SecondStart }))
}

// limits measures what bounds any server on this machine.
func limits(ctx context.Context, o options) (m machine, err error) {
	if m.SyncMillis, err = syncLatency(o.dataRoot); err != nil {
		return m, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, err
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "2")
		_, _ = w.Write([]byte("{}"))
	})}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	res, err := target{ln.Addr().String(), []sender{{"1", "k"}}}.run(ctx, bodies(o.size, o.groups, 1, 1), o.connections, 3*time.Second, 0)
	if err != nil {
		return m, err
	}
	m.HTTPPerSecond = res.perSecond()
	return m, nil
}

// copyLimit is how many rows of 2 KiB a second the installation's Postgres takes by COPY.
func (in *installation) copyLimit(ctx context.Context) (float64, error) {
	const rows = 40_000
	db, _, err := in.database(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Close(ctx)
	if _, err := db.Exec(ctx, "create table bench_copy (id bigint not null, data bytea not null)"); err != nil {
		return 0, err
	}
	noise := make([]byte, 1<<20) // does not compress
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	began := time.Now()
	if _, err := db.CopyFrom(ctx, pgx.Identifier{"bench_copy"}, []string{"id", "data"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		at := i * 512 % (len(noise) - 2048)
		return []any{int64(i), noise[at : at+2048]}, nil
	})); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	_, err = db.Exec(ctx, "drop table bench_copy")
	return rows / took, err
}

func syncLatency(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "tocsin-bench-sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 8<<10)
	took := make([]float64, 200)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = float64(time.Since(began).Microseconds()) / 1000
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
