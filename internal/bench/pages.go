package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	embeddedpg "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/seed"
)

// page is how long one page or document took, in milliseconds.
type page struct {
	Name   string `json:"name"`
	Millis struct {
		P50 float64 `json:"p50"`
		P95 float64 `json:"p95"`
	} `json:"milliseconds"`
}

// grown is a project at a size, with what the size costs.
type grown struct {
	Issues  int     `json:"issues"`
	Events  int     `json:"events"`
	Made    float64 `json:"made_seconds"` // in how many seconds it was filled
	Drained float64 `json:"drained_per_second"`
	Pages   []page  `json:"pages"`
}

// measureGrown fills a project, times what people open, and how fast events still come in.
func measureGrown(ctx context.Context, o options, share float64) (g grown, err error) {
	g = grown{Issues: int(share * float64(o.pages)), Events: int(share * float64(o.events))}
	in, err := start(ctx, o, "")
	if err != nil {
		return g, err
	}
	defer in.remove()
	if err := in.signIn(ctx); err != nil {
		return g, err
	}
	list := bodies(o.size, o.groups, 4, 1)
	if _, err := in.load(ctx, in.target(), list, o.connections, 2*time.Second); err != nil {
		return g, err
	}
	began := time.Now()
	if err := in.seed(ctx, g); err != nil {
		return g, err
	}
	g.Made = time.Since(began).Seconds()
	if g.Pages, err = in.pages(ctx); err != nil {
		return g, err
	}
	g.Drained, err = in.load(ctx, in.target(), list, o.connections, 10*time.Second)
	return g, err
}

// database connects to the installation's Postgres.
func (in *installation) database(ctx context.Context) (*pgx.Conn, string, error) {
	address, err := embeddedpg.Address(filepath.Join(in.data, "postgres"))
	if err != nil {
		return nil, "", err
	}
	db, err := pgx.Connect(ctx, address)
	return db, address, err
}

func (in *installation) seed(ctx context.Context, g grown) error {
	db, address, err := in.database(ctx)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	project, err := strconv.ParseInt(in.ProjectID, 10, 64)
	if err != nil {
		return err
	}
	began := time.Now()
	return seed.Fill(ctx, address, project, seed.Size{Issues: g.Issues, Events: g.Events}, func(what string) {
		fmt.Fprintf(os.Stderr, "  %4.0f s: %s\n", time.Since(began).Seconds(), what)
	})
}

const sqlAccepted = "select coalesce(sum(quantity), 0) from outcomes where outcome = $1 and category = $2"

// load sends events for a time and returns how many a second were stored, from the first request
// until the last is visible.
func (in *installation) load(ctx context.Context, to target, list []body, connections int, d time.Duration) (float64, error) {
	db, _, err := in.database(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Close(ctx)
	var before, now int64
	if err := db.QueryRow(ctx, sqlAccepted, int16(outcome.Accepted), int16(outcome.Error)).Scan(&before); err != nil {
		return 0, err
	}
	began := time.Now()
	res, err := to.run(ctx, list, connections, d, 0)
	if err != nil {
		return 0, err
	}
	err = in.await(ctx, 2*time.Minute, func() error {
		if err := db.QueryRow(ctx, sqlAccepted, int16(outcome.Accepted), int16(outcome.Error)).Scan(&now); err != nil {
			return err
		}
		if now-before < int64(res.Accepted) {
			return fmt.Errorf("%d of %d events are stored", now-before, res.Accepted)
		}
		return nil
	})
	return float64(res.Accepted) / time.Since(began).Seconds(), err
}

// pages times what people open most, the busiest issue among it.
func (in *installation) pages(ctx context.Context) ([]page, error) {
	org, ui := in.URL+"/api/0/organizations/"+in.Organization, in.URL+"/o/"+in.Organization
	var busiest []struct{ ID, ShortID string }
	if err := in.get(ctx, org+"/issues/?limit=1&sort=freq", &busiest); err != nil || len(busiest) == 0 {
		return nil, fmt.Errorf("busiest issue: %v %w", busiest, err)
	}
	var latest struct {
		EventID         string
		PreviousEventID string
	}
	if err := in.get(ctx, org+"/issues/"+busiest[0].ID+"/events/latest/", &latest); err != nil {
		return nil, err
	}
	detail := ui + "/issues/" + busiest[0].ShortID
	var pages []page
	for _, p := range []struct{ name, address string }{
		{"issue list", ui + "/issues"},
		{"issue list, by first seen", ui + "/issues?sort=new"},
		{"issue list, by events", ui + "/issues?sort=freq"},
		{"issue list, by users", ui + "/issues?sort=user"},
		{"issue list, text search", ui + "/issues?query=ledger"},
		{"issue list, rare text", ui + "/issues?query=" + "step+abc1"},
		{"issue list, tag search", ui + "/issues?query=tenant%3At77"},
		{"issue list, one environment", ui + "/issues?environment=staging"},
		{"histogram", ui + "/issues/histogram"},
		{"suggestions", ui + "/suggest?word=tenant%3At1"},
		{"palette", ui + "/palette?q=token"},
		{"issue detail", detail},
		{"event step", detail + "/events/" + latest.PreviousEventID},
		{"peek", detail + "/peek"},
		{"tags with contrast", detail + "/tags"},
		{"events of an issue", detail + "/events"},
		{"API: issue list", org + "/issues/"},
		{"API: issue detail", org + "/issues/" + busiest[0].ID + "/"},
		{"API: latest event", org + "/issues/" + busiest[0].ID + "/events/latest/"},
	} {
		measured, err := in.time(ctx, p.name, p.address)
		if err != nil {
			return nil, err
		}
		pages = append(pages, measured)
	}
	return pages, nil
}

func (in *installation) time(ctx context.Context, name, address string) (page, error) {
	const rounds = 60
	took := make([]time.Duration, rounds)
	var doc any
	for i := range took {
		began := time.Now()
		var err error
		if strings.HasPrefix(name, "API") {
			err = in.get(ctx, address, &doc)
		} else {
			err = in.get(ctx, address, nil)
		}
		if err != nil {
			return page{}, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	p := page{Name: name}
	p.Millis.P50 = float64(took[rounds/2].Microseconds()) / 1000
	p.Millis.P95 = float64(took[rounds*95/100].Microseconds()) / 1000
	return p, nil
}
