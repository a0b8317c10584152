package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Authenticate says who holds the token of a request, or is signed in; nil when nobody is.
// fault.Unauthenticated: a token that is not good.
func (s *Service) Authenticate(r *http.Request) (*account.Principal, error) { return s.authenticate(r) }

// authenticate says who calls: the holder of the bearer token, else whom the web service found to
// be signed in, else nobody. fault.Unauthenticated: a token that is not good.
func (s *Service) authenticate(r *http.Request) (*account.Principal, error) {
	header := r.Header.Get("Authorization")
	if header == "" || strings.HasPrefix(header, schemeDSN) {
		return account.PrincipalFrom(r.Context()), nil
	}
	token := account.BearerToken(header)
	if token == "" {
		return nil, fault.New(fault.Unauthenticated, "Invalid token")
	}
	hash := account.HashToken(token)
	now := time.Now()
	if p := s.holders.get(hash, now); p != nil {
		return p, nil
	}
	h, err := s.Store.TokenByHash(r.Context(), hash)
	if err != nil {
		return nil, err
	}
	return s.holders.put(hash, h, now), nil
}

// Forget makes every token be looked up again, after a change of rights in this process.
func (s *Service) Forget() {
	s.holders.forget()
	if s.Changed != nil {
		s.Changed()
	}
}

// How long and how many verified tokens are remembered. A token that is revoked ends at once in the
// process that revoked it, and works for at most this much longer in others.
const (
	holderAge = time.Minute
	maxHolder = 10_000
)

// holders remembers who verified tokens speak for. The zero value is ready.
type holders struct {
	mu   sync.Mutex
	held map[[32]byte]holder
}

type holder struct {
	principal *account.Principal
	until     time.Time
}

func (c *holders) get(hash [32]byte, now time.Time) *account.Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.held[hash]; ok && now.Before(h.until) {
		return h.principal
	}
	return nil
}

func (c *holders) put(hash [32]byte, t postgres.TokenHolder, now time.Time) *account.Principal {
	h := holder{&t.Principal, now.Add(holderAge)}
	if t.ExpiresAt != nil && t.ExpiresAt.Before(h.until) {
		h.until = *t.ExpiresAt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil || len(c.held) >= maxHolder {
		c.held = make(map[[32]byte]holder)
	}
	c.held[hash] = h
	return h.principal
}

func (c *holders) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = nil
}

// turnsPerCaller is how many calls of one caller are answered at a time; others wait.
const turnsPerCaller = 4

// turns keeps one caller from taking all database connections. The zero value is ready.
type turns struct {
	mu      sync.Mutex
	callers map[turnKey]*turn
}

type turnKey struct{ org, user int64 }

type turn struct {
	sem   *semaphore.Weighted
	calls int // that hold or wait for it
}

// take waits for the caller's turn; done gives it back.
func (t *turns) take(ctx context.Context, who *account.Principal) (done func(), err error) {
	if who == nil {
		return func() {}, nil
	}
	key := turnKey{who.Organization.ID, who.UserID()}
	t.mu.Lock()
	if t.callers == nil {
		t.callers = make(map[turnKey]*turn)
	}
	mine := t.callers[key]
	if mine == nil {
		mine = &turn{sem: semaphore.NewWeighted(turnsPerCaller)}
		t.callers[key] = mine
	}
	mine.calls++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.calls--; mine.calls == 0 {
			delete(t.callers, key)
		}
	}
	if err := mine.sem.Acquire(ctx, 1); err != nil {
		leave()
		return nil, fault.Wrap(err, fault.Unavailable, "the caller left before its turn came")
	}
	return func() { mine.sem.Release(1); leave() }, nil
}
