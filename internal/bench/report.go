package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// report is everything one run of the program found.
type report struct {
	Machine machine    `json:"machine"`
	Ingest  ingestLoad `json:"ingest"`
	Loads   []load     `json:"loads"`
	Pages   []page     `json:"pages,omitempty"`
}

// machine is what this machine can do without us.
type machine struct {
	HTTPPerSecond float64 `json:"http_per_second"` // requests of a typical body that are only read
	SyncMillis    float64 `json:"sync_ms"`         // median append of 8 KiB with fdatasync
}

// load is one run of the reference load.
type load struct {
	EventBytes   int     `json:"event_bytes"`
	Accepted     int     `json:"accepted"`
	Refused      int     `json:"refused"`
	Lost         int64   `json:"lost"`
	Drained      float64 `json:"drained_per_second"`
	Behind       float64 `json:"behind_seconds"`
	P50          float64 `json:"accept_p50_ms"`
	P99          float64 `json:"accept_p99_ms"`
	CPUOwn       float64 `json:"cpu_seconds_per_1000_own"`
	CPUPostgres  float64 `json:"cpu_seconds_per_1000_postgres"`
	CPULimited   float64 `json:"cpu_seconds_per_1000_limited"`
	CPUDenied    float64 `json:"cpu_seconds_per_1000_denied"`
	DiskPerEvent float64 `json:"disk_bytes_per_event"`
	IdleRSS      int64   `json:"rss_idle_bytes"`
	PeakRSS      int64   `json:"rss_peak_bytes"`
	OpenRate     float64 `json:"open_rate_per_second"`
	OpenRefused  int     `json:"open_refused"`
	OpenP50      float64 `json:"open_p50_ms"`
	OpenP99      float64 `json:"open_p99_ms"`
	FirstStart   float64 `json:"first_start_seconds"`
	SecondStart  float64 `json:"second_start_seconds"`
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
	for _, l := range r.Ingest.lines() {
		row(l[0], "%s", l[1])
	}
	if len(r.Loads) > 0 {
		r.printLoads(row, o)
	}
	for _, p := range r.Pages {
		row(fmt.Sprintf("%s at %d issues p50, p95", p.Name, o.pages), "%.1f, %.1f ms", p.Millis.P50, p.Millis.P95)
	}
	w.Flush()
}

// printLoads prints the medians of the reference loads.
func (r *report) printLoads(row func(name, format string, values ...any), o options) {
	m := func(f func(load) float64) float64 { return median(r.Loads, f) }
	row("load", "%s events of %d bytes, %d issues, %d connections, %d s, %d runs (medians)", o.size, r.Loads[0].EventBytes, o.groups, o.connections, o.seconds, len(r.Loads))
	row("drained", "%.0f events/s", m(func(l load) float64 { return l.Drained }))
	row("share of HTTP limit", "%.3f", m(func(l load) float64 { return l.Drained / r.Machine.HTTPPerSecond }))
	row("backlog after the load", "%.2f s", m(func(l load) float64 { return l.Behind }))
	row("lost, refused", "%.0f, %.0f", m(func(l load) float64 { return float64(l.Lost) }), m(func(l load) float64 { return float64(l.Refused) }))
	row("accept p50, p99", "%.1f, %.1f ms", m(func(l load) float64 { return l.P50 }), m(func(l load) float64 { return l.P99 }))
	row("open loop at half rate p50, p99", "%.1f, %.1f ms at %.0f/s", m(func(l load) float64 { return l.OpenP50 }), m(func(l load) float64 { return l.OpenP99 }), m(func(l load) float64 { return l.OpenRate }))
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
	res, err := target{ln.Addr().String(), "1", "k"}.run(ctx, bodies(o.size, o.groups, 1, 1), o.connections, 3*time.Second, 0)
	if err != nil {
		return m, err
	}
	m.HTTPPerSecond = res.perSecond()
	return m, nil
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

// once sends each event of the list once and returns how many were accepted.
func (to target) once(ctx context.Context, list []body, connections int) (int, error) {
	accepted := 0
	chunk := (len(list) + connections - 1) / connections
	type done struct {
		n   int
		err error
	}
	answers := make(chan done, connections)
	running := 0
	for from := 0; from < len(list); from += chunk {
		part := list[from:min(len(list), from+chunk)]
		running++
		seed := uint64(running)
		go func() {
			n := 0
			res, err := to.worker(ctx, part, seed, func() (time.Time, bool) {
				n++
				return time.Now(), n <= len(part)
			})
			answers <- done{res.Accepted, err}
		}()
	}
	var fail error
	for range running {
		d := <-answers
		accepted += d.n
		if d.err != nil {
			fail = d.err
		}
	}
	if fail == nil && accepted < len(list) {
		fail = fmt.Errorf("%d of %d events were accepted", accepted, len(list))
	}
	return accepted, fail
}
