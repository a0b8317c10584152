package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/web/api"
)

// statements counts what is sent to the database.
type statements struct{ tokens, all atomic.Int64 }

func (c *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c.all.Add(1)
	if strings.Contains(data.SQL, "token_hash") {
		c.tokens.Add(1)
	}
	return ctx
}

func (c *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// counted is another process of the same installation, whose statements are counted.
func counted(t testing.TB, w *world) (*api.Service, *statements) {
	t.Helper()
	c := &statements{}
	st, err := postgres.Open(t.Context(), w.url, postgres.Options{Name: "counted", MaxConns: 8, Tracer: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return api.New(api.Options{Store: st, Blobs: w.blobs, Files: w.files, Chunks: w.chunks, Symbols: symbol.New(st, w.files, symbol.Config{}), BaseURL: baseURL}), c
}

func (w *world) newTokens(n int) []string {
	w.t.Helper()
	owner, err := w.st.UserByEmail(context.Background(), "owner@example.org")
	if err != nil {
		w.t.Fatal(err)
	}
	list := make([]string, n)
	for i := range list {
		if _, list[i], err = w.st.CreateToken(context.Background(), account.Token{Organization: 1, User: owner.ID, Name: fmt.Sprint("t", i), Scopes: account.RoleOwner.Scopes()}); err != nil {
			w.t.Fatal(err)
		}
	}
	return list
}

func show(service *api.Service, token, path string) int {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	service.ServeHTTP(answer, r)
	return answer.Code
}

// TestATokenCostsOneStatementAMinute shows a hundred tokens, and one that is no good, ten thousand times
// from many sides at once: each is looked up once, and the rate is told.
func TestATokenCostsOneStatementAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const tokens, calls, sides = 100, 10_000, 16
	good := w.newTokens(tokens)
	service, count := counted(t, w)
	began := time.Now()
	var work sync.WaitGroup
	for side := range sides {
		work.Go(func() {
			for i := side; i < calls; i += sides {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+good[i%tokens])
				if who, err := service.Authenticate(r); err != nil || who == nil {
					t.Errorf("%v", err)
					return
				}
				r.Header.Set("Authorization", "Bearer sntryu_"+strings.Repeat("0", 64))
				if _, err := service.Authenticate(r); err == nil {
					t.Error("a token that was made up is good")
				}
			}
		})
	}
	work.Wait()
	took := time.Since(began)
	if took < time.Minute && (count.tokens.Load() != tokens+1 || count.all.Load() != tokens+1) {
		t.Errorf("%d tokens and a made up one cost %d statements, %d of them about tokens", tokens, count.all.Load(), count.tokens.Load())
	}
	t.Logf("%d verifications of %d tokens in %s: %.0f a second, %d statements", 2*calls, tokens+1, took.Round(time.Millisecond), 2*calls/took.Seconds(), count.all.Load())
}

// TestARevokedTokenEndsAtOnce: in the process that revokes it, although it was remembered there.
func TestARevokedTokenEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.newTokens(1)[0]
	service, count := counted(t, w)
	for range 3 {
		if status := show(service, token, "/api/0/auth/"); status != 200 {
			t.Fatalf("%d", status)
		}
	}
	id := w.scalar("select id from api_tokens where name = 't0'")
	r := httptest.NewRequest(http.MethodDelete, "/api/0/api-tokens/", strings.NewReader(fmt.Sprintf(`{"tokenId":"%d"}`, id)))
	r.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	if service.ServeHTTP(answer, r); answer.Code != 204 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	before := count.tokens.Load()
	for range 100 {
		if status := show(service, token, "/api/0/auth/"); status != 401 {
			t.Fatalf("a revoked token: %d", status)
		}
	}
	if asked := count.tokens.Load() - before; asked > 1 {
		t.Errorf("a revoked token is looked up %d times", asked)
	}
}

// BenchmarkVerifyToken verifies tokens that are remembered, from all processors.
func BenchmarkVerifyToken(b *testing.B) {
	w := newWorld(b)
	tokens := w.newTokens(100)
	service, _ := counted(b, w)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for p.Next() {
			r.Header.Set("Authorization", "Bearer "+tokens[next.Add(1)%100])
			if _, err := service.Authenticate(r); err != nil {
				b.Error(err)
			}
		}
	})
}
