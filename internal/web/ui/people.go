package ui

import (
	"context"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// How long and how many readers are remembered: a change of rights shows within knownFor.
const (
	knownFor  = 10 * time.Second
	maxPeople = 1000
)

// people remembers who readers are for a moment, since one reader opens many pages. The zero value
// is ready; it is safe for concurrent use.
type people struct {
	mu   sync.Mutex
	byID map[int64]person
}

type person struct {
	user        account.User
	memberships []account.Membership
	settings    account.Settings
	logins      []account.Login
	hasFactor   bool
	until       time.Time
}

// find returns a user the organizations they belong to, and what they chose. fault.Unknown: there is no such user.
func (p *people) find(ctx context.Context, st *postgres.Store, id int64) (person, error) {
	now := time.Now()
	p.mu.Lock()
	known, ok := p.byID[id]
	p.mu.Unlock()
	if ok && now.Before(known.until) {
		return known, nil
	}
	r, err := st.Reader(ctx, id)
	if err != nil {
		return person{}, err
	}
	found := person{r.User, r.Memberships, r.Settings, r.Logins, r.User.TOTP != "" || r.HasPasskeys, now.Add(knownFor)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil || len(p.byID) >= maxPeople {
		p.byID = make(map[int64]person)
	}
	p.byID[id] = found
	return found, nil
}

// forgetAll makes every reader's next page look again.
func (p *people) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byID = nil
}

// forget makes the next page look again.
func (p *people) forget(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, id)
}
