package ui_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	openapi "github.com/tocsin-dev/tocsin/api"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
)

const password = "correct horse battery"

// site is the pages over a database of their own, with one organization, project and owner.
type site struct {
	t       testing.TB
	store   *postgres.Store
	made    postgres.Bootstrapped
	server  *httptest.Server
	ui      *ui.UI
	grouper *grouping.Grouper
	n       int
}

func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteOn(t, pgtest.New(t))
}

func newSiteOn(t testing.TB, st *postgres.Store) *site {
	t.Helper()
	made, err := st.Bootstrap(context.Background(), postgres.BootstrapInput{
		Organization: "default", Project: "default", Email: "owner@example.com", Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.Open("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("the notifier is away")
	var handler *ui.UI
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	handler = ui.New(ui.Options{
		Store: st, Files: files, Symbols: symbol.New(st, files, symbol.Config{}), BaseURL: server.URL, Key: key, Contract: openapi.Document,
		Outbound: outbound.New(outbound.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxResponseBytes: 1 << 20}).HTTP(),
		Test:     func(context.Context, alert.TestRequest) (alert.TestResult, error) { return alert.TestResult{}, away },
		Redeliver: func(context.Context, alert.RedeliverRequest) (alert.RedeliverResult, error) {
			return alert.RedeliverResult{}, away
		},
	})
	return &site{t: t, store: st, made: made, server: server, ui: handler, grouper: grouping.New(grouping.Newest(), grouping.Rules{})}
}

// report stores an event as the processor would and returns its id.
func (s *site) report(payload string, at time.Time) event.ID {
	s.t.Helper()
	s.n++
	id := event.ID(md5.Sum(fmt.Append(nil, s.n)))
	rec := s.record(id, payload, at)
	if _, err := s.store.RecordEvents(context.Background(), []postgres.Record{rec}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) record(id event.ID, payload string, at time.Time) postgres.Record {
	s.t.Helper()
	ev, err := event.Decode([]byte(payload))
	if err != nil {
		s.t.Fatal(err)
	}
	at = at.Truncate(time.Microsecond)
	raw := event.Raw{Project: s.made.ProjectID, ID: id, ReceivedAt: at}
	ev.ID, ev.Project = id, s.made.ProjectID
	ev.Normalize(raw.Delivery(90 * 24 * time.Hour))
	rec := postgres.Record{
		Project: s.made.ProjectID, ID: id, ReceivedAt: at, OccurredAt: ev.Timestamp, Category: outcome.Error, Type: ev.Type, Level: ev.Level,
		Platform: ev.Platform, Logger: ev.Logger, Release: ev.Release, Environment: ev.Environment, Metadata: ev.Metadata(),
		UserKey: ev.User.Key(), Tags: ev.Tags, Properties: ev.Properties(),
	}
	for _, h := range s.grouper.Assign(ev).Hashes {
		rec.Hashes = append(rec.Hashes, h)
	}
	rec.Payload = ev.AppendJSON(nil)
	rec.Title, rec.Culprit = rec.Metadata.Title, rec.Metadata.Culprit
	for _, x := range ev.Exceptions {
		rec.Unhandled = rec.Unhandled || x.Mechanism != nil && x.Mechanism.Handled != nil && !*x.Mechanism.Handled
	}
	rec.Sanitize()
	return rec
}

// settle folds what waits to be counted.
func (s *site) settle() {
	s.t.Helper()
	for {
		done, err := s.store.FoldFacts(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		if !done.More {
			return
		}
	}
}

// browser keeps cookies and does not follow redirects.
type browser struct {
	s      *site
	client *http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is a browser of the owner's.
func (s *site) signedIn() *browser {
	s.t.Helper()
	b := s.browser()
	res, _ := b.post("/login", url.Values{"email": {s.made.Email}, "password": {password}})
	if res.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("sign in: %d", res.StatusCode)
	}
	return b
}

func (b *browser) do(req *http.Request) (*http.Response, string) {
	b.s.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return res, string(body)
}

func (b *browser) get(path string) (*http.Response, string) {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.s.server.URL+path, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return b.do(req)
}

// page is the body of a page that must be there.
func (b *browser) page(path string) string {
	b.s.t.Helper()
	res, body := b.get(path)
	if res.StatusCode != http.StatusOK {
		b.s.t.Fatalf("GET %s: %d\n%s", path, res.StatusCode, body)
	}
	return body
}

func (b *browser) post(path string, form url.Values) (*http.Response, string) {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.s.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}
