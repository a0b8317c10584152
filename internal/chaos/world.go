package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// world is an installation of separate programs with a proxy on every link, under load.
type world struct {
	*fleet.Fleet
	o    options
	db   *pgxpool.Pool
	load *generator
	note string // what the last fault has to tell beyond the table
	// alerts is those of the last fault, allAlerts those of all; calm is what the programs held before the first.
	alerts, allAlerts tally
	calm              map[string]held
	loses, broken     bool                   // what waited in its queue; as a fault found it
	front             atomic.Pointer[string] // where clients send, when that is not ingest itself
}

// build starts everything, in the way that change asks for, and waits until it answers.
func build(ctx context.Context, o options, change func(*fleet.Options)) (*world, error) {
	fo := fleet.Options{Bin: o.bin, Proxies: true}
	if change != nil {
		change(&fo)
	}
	f, err := fleet.Start(ctx, fo)
	if err != nil {
		f.Remove()
		return nil, err
	}
	w := &world{Fleet: f, o: o}
	url, err := f.AdminURL()
	if err == nil {
		w.db, err = pgxpool.New(ctx, url)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// start runs a program again after it ended.
func (w *world) start(name string) error { return w.Program(name).Start() }

// kill ends a program as a power switch would.
func (w *world) kill(name string) { w.Program(name).Kill() }

func (w *world) signal(name string, s syscall.Signal) { _ = w.Program(name).Signal(s) }

func (w *world) close() {
	if w.load != nil {
		w.load.end()
	}
	if w.db != nil {
		w.db.Close()
	}
	if w.o.keep {
		w.Close()
		fmt.Fprintln(os.Stderr, "chaos: kept", w.Dir)
		return
	}
	w.Remove()
	_ = os.Remove(w.Dir + ".ledger")
}

// ledgerFile is where acknowledged ids are kept: beside the folder, whose disk may be lost.
func (w *world) ledgerFile() (*os.File, error) { return os.Create(w.Dir + ".ledger") }

// await calls f until it answers nil, for as long as limit allows on an idle machine.
func (w *world) await(ctx context.Context, limit time.Duration, f func() error) error {
	return fleet.Await(ctx, time.Duration(w.o.patience)*limit, f)
}

// begin finds out which recorded requests make a stored event, and starts the load of those.
func (w *world) begin(ctx context.Context) error {
	list, err := templates(w.Key())
	if err != nil {
		return err
	}
	file, err := w.ledgerFile()
	if err != nil {
		return err
	}
	w.load = &generator{target: w.door, key: w.Key(),
		ledger: &ledger{file: file}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 256}}}
	w.load.rate.Store(w.o.rate)
	w.load.stop = func() {}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = fmt.Sprintf("%032x", i+1)
		if status, err := w.load.post(ctx, list[i].fill(ids[i])); err != nil || status != http.StatusOK {
			return fmt.Errorf("recorded request %s: %d %w", list[i].name, status, err)
		}
	}
	stored, err := w.storedOf(ctx, ids)
	if err != nil {
		return err
	}
	for i := range list {
		if stored[ids[i]] {
			w.load.list = append(w.load.list, list[i])
		}
	}
	if w.calm, err = w.holds(ctx); err != nil {
		return err
	}
	w.load.start(ctx, w.o.seed)
	return nil
}

// door is the address that clients send envelopes to.
func (w *world) door() string {
	host := w.Address["ingest"]
	if front := w.front.Load(); front != nil {
		host = *front
	}
	return "http://" + host + "/api/" + w.ProjectID + "/envelope/"
}

// storedOf tells which of ids are stored, once all are or no more come.
func (w *world) storedOf(ctx context.Context, ids []string) (map[string]bool, error) {
	const few, calm = 10, 3 * time.Second
	stored := map[string]bool{}
	last := time.Now()
	err := w.await(ctx, 30*time.Second, func() error {
		rows, err := w.db.Query(ctx, "select replace(event_id::text, '-', '') from event_seen")
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(found) > len(stored) {
			last = time.Now()
		}
		for _, id := range found {
			stored[id] = true
		}
		if len(stored) == len(ids) || len(stored) > few && time.Since(last) > calm {
			return nil
		}
		return fmt.Errorf("%d of %d recorded requests are stored", len(stored), len(ids))
	})
	return stored, err
}

// forgetRules lets the next fault be told to nobody: neither new issues nor what waits for another try.
func (w *world) forgetRules(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_ = w.await(ctx, 30*time.Second, func() error { // what is told all the same goes nowhere
		_, err := w.db.Exec(ctx, "delete from alert_rules; delete from alert_folds; update deliveries set state = 2, finished_at = now(), next_attempt_at = null where state = 0")
		return err
	})
}

// tell enters alerts that were to come, those that did not, and repetitions.
func (w *world) tell(t tally) {
	for _, sum := range []*tally{&w.alerts, &w.allAlerts} {
		sum.Alerts, sum.Untold, sum.Repeated = sum.Alerts+t.Alerts, sum.Untold+t.Untold, sum.Repeated+t.Repeated
	}
}

// metric is the largest value that a program shows under a name, or under a name with its labels.
func (w *world) metric(ctx context.Context, service, name string) (largest float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Address[service]+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	found := false
	lines := bufio.NewScanner(io.LimitReader(res.Body, 16<<20))
	for lines.Scan() {
		rest, is := strings.CutPrefix(lines.Text(), name)
		if !is || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		largest, found = max(largest, value), true
	}
	if !found && lines.Err() == nil {
		return 0, fmt.Errorf("%s has no metric %s", service, name)
	}
	return largest, lines.Err()
}
