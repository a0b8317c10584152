package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// page is how long one page or document took, in milliseconds.
type page struct {
	Name   string `json:"name"`
	Millis struct {
		P50 float64 `json:"p50"`
		P95 float64 `json:"p95"`
	} `json:"milliseconds"`
}

// measurePages makes many issues through the public door and times what people open.
func measurePages(ctx context.Context, o options) ([]page, error) {
	in, err := start(ctx, o, "")
	if err != nil {
		return nil, err
	}
	defer in.remove()
	if err := in.fill(ctx, o.pages); err != nil {
		return nil, err
	}
	if err := in.signIn(ctx); err != nil {
		return nil, err
	}
	var newest []struct{ ID, ShortID string }
	org := in.URL + "/api/0/organizations/" + in.Organization
	if err := in.get(ctx, org+"/issues/?limit=1", &newest); err != nil || len(newest) == 0 {
		return nil, fmt.Errorf("newest issue: %v %w", newest, err)
	}
	var pages []page
	for _, p := range []struct{ name, address string }{
		{"issue list", in.URL + "/"},
		{"issue list, text search", in.URL + "/?query=checkout"},
		{"issue list, one environment", in.URL + "/?environment=production"},
		{"issue detail", in.URL + "/o/" + in.Organization + "/issues/" + newest[0].ShortID},
		{"API: issue list", org + "/issues/"},
		{"API: issue detail", org + "/issues/" + newest[0].ID + "/"},
		{"API: latest event", org + "/issues/" + newest[0].ID + "/events/latest/"},
	} {
		measured, err := in.time(ctx, p.name, p.address)
		if err != nil {
			return nil, err
		}
		pages = append(pages, measured)
	}
	return pages, nil
}

// fill makes n issues of one small event each.
func (in *installation) fill(ctx context.Context, n int) error {
	list := bodies("small", n, 1, 2)
	each := list
	sent := 0
	for sent < n {
		part := each[sent:min(n, sent+20_000)]
		res, err := in.target().once(ctx, part, 48)
		if err != nil {
			return err
		}
		sent += res
	}
	return in.await(ctx, 5*time.Minute, func() error {
		var stats struct {
			Groups []struct{ Totals map[string]int64 }
		}
		if err := in.get(ctx, in.URL+"/api/0/organizations/"+in.Organization+"/stats_v2/?field=sum(quantity)&category=error&outcome=accepted&statsPeriod=1d&interval=1h", &stats); err != nil {
			return err
		}
		var have int64
		for _, g := range stats.Groups {
			have += g.Totals["sum(quantity)"]
		}
		if have < int64(n) {
			return fmt.Errorf("%d of %d issues are stored", have, n)
		}
		return nil
	})
}

func (in *installation) time(ctx context.Context, name, address string) (page, error) {
	const rounds = 100
	took := make([]time.Duration, rounds)
	var doc any
	for i := range took {
		began := time.Now()
		var err error
		if name[:3] == "API" {
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
