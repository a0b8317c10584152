package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

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
	return s.holders.find(r.Context(), account.HashToken(token), time.Now(), s.Store.TokenByHash)
}

// Forget makes every token be looked up again, after a change of rights in this process.
func (s *Service) Forget() {
	s.holders.forget()
	if s.Changed != nil {
		s.Changed()
	}
}

// How long and how many tokens are remembered, good ones and others each. So long a token costs the
// database one statement, however often it is shown. A token that is revoked ends at once in the process
// that revoked it, and works for at most this much longer in others.
const (
	holderAge = time.Minute
	maxHolder = 10_000
)

// holders remembers who tokens speak for, and which are not good. The zero value is ready.
type holders struct {
	mu      sync.Mutex
	good    map[[32]byte]holder
	bad     map[[32]byte]holder // apart, so that guesses do not push out what is good
	changes int                 // of who may do what; what was asked before one is not remembered after it
	asking  singleflight.Group
}

type holder struct {
	principal *account.Principal
	err       error
	until     time.Time
}

// find says who a token speaks for, and asks for it when that is not remembered, once for all who show
// the token at that time. fault.Unauthenticated: it is not good.
func (c *holders) find(ctx context.Context, hash [32]byte, now time.Time, ask func(context.Context, [32]byte) (postgres.TokenHolder, error)) (*account.Principal, error) {
	if h, known := c.get(hash, now); known {
		return h.principal, h.err
	}
	c.mu.Lock()
	began := c.changes
	c.mu.Unlock()
	v, err, _ := c.asking.Do(string(hash[:])+strconv.Itoa(began), func() (any, error) {
		if h, known := c.get(hash, now); known { // somebody asked meanwhile
			return h, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout) // others wait for it too
		defer cancel()
		t, err := ask(ctx, hash)
		if err != nil && fault.KindOf(err) != fault.Unauthenticated {
			return nil, err
		}
		h := holder{&t.Principal, err, now.Add(holderAge)}
		if err != nil {
			h.principal = nil
		} else if t.ExpiresAt != nil && t.ExpiresAt.Before(h.until) {
			h.until = *t.ExpiresAt
		}
		c.put(hash, h, began)
		return h, nil
	})
	if err != nil {
		return nil, err
	}
	h, _ := v.(holder)
	return h.principal, h.err
}

const askTimeout = 10 * time.Second

func (c *holders) get(hash [32]byte, now time.Time) (holder, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []map[[32]byte]holder{c.good, c.bad} {
		if h, ok := m[hash]; ok && now.Before(h.until) {
			return h, true
		}
	}
	return holder{}, false
}

// put remembers what was found, unless rights changed since it was asked for.
func (c *holders) put(hash [32]byte, h holder, began int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != began {
		return
	}
	if c.good == nil {
		c.good, c.bad = make(map[[32]byte]holder), make(map[[32]byte]holder)
	}
	to := c.good
	if h.err != nil {
		to = c.bad
	}
	for other := range to { // any one goes for another when there are too many
		if len(to) < maxHolder {
			break
		}
		delete(to, other)
	}
	to[hash] = h
}

func (c *holders) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good, c.bad, c.changes = nil, nil, c.changes+1
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
