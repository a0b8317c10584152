package api

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// TestVerifiedTokensAreForgottenInTime: what is remembered of a token lasts a minute, or until the token
// ends; what was asked before rights changed is not remembered after it; a token that is no good is asked
// for as seldom, and does not push out others.
func TestVerifiedTokensAreForgottenInTime(t *testing.T) {
	t.Parallel()
	var c holders
	now := time.Unix(1000, 0)
	soon := now.Add(time.Second)
	asked := 0
	find := func(n uint32, at time.Time, found postgres.TokenHolder, err error) error {
		var hash [32]byte
		binary.BigEndian.PutUint32(hash[:], n)
		_, got := c.find(t.Context(), hash, at, func(context.Context, [32]byte) (postgres.TokenHolder, error) { asked++; return found, err })
		return got
	}
	bad := fault.New(fault.Unauthenticated, "Invalid token")
	for i, step := range []struct {
		after time.Duration
		asked int // for a token, for one that ends soon and for one that is no good
	}{{0, 3}, {time.Second - 1, 3}, {time.Second, 4}, {holderAge - 1, 5}, {holderAge, 8}} {
		at := now.Add(step.after)
		if find(1, at, postgres.TokenHolder{}, nil) != nil || find(2, at, postgres.TokenHolder{ExpiresAt: &soon}, nil) != nil || fault.KindOf(find(3, at, postgres.TokenHolder{}, bad)) != fault.Unauthenticated {
			t.Error("a token is not what it was found to be")
		}
		if asked != step.asked {
			t.Errorf("step %d: asked %d times, want %d", i, asked, step.asked)
		}
	}
	later := now.Add(holderAge)
	c.forget()
	if asked = 0; find(1, later, postgres.TokenHolder{}, bad) == nil || asked != 1 {
		t.Error("a change of rights is not seen at once")
	}
	if err := find(4, later, postgres.TokenHolder{}, fault.New(fault.Unavailable, "away")); fault.KindOf(err) != fault.Unavailable || find(4, later, postgres.TokenHolder{}, nil) != nil {
		t.Error("an outage is remembered as an answer")
	}
	_, err := c.find(t.Context(), [32]byte{9, 9}, later, func(context.Context, [32]byte) (postgres.TokenHolder, error) {
		c.forget() // the token is revoked while its row is on the way
		return postgres.TokenHolder{}, nil
	})
	if _, known := c.get([32]byte{9, 9}, later); err != nil || known {
		t.Errorf("what was read before a change of rights is remembered after it: %v", err)
	}
	if err := find(5, later, postgres.TokenHolder{}, nil); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(3 * maxHolder) {
		_ = find(100+i, later, postgres.TokenHolder{}, bad)
	}
	if len(c.bad) > maxHolder {
		t.Errorf("%d tokens are remembered", len(c.bad))
	}
	if asked = 0; find(5, later, postgres.TokenHolder{}, nil) != nil || asked != 0 {
		t.Error("guesses pushed out a good token")
	}
}

func TestOneCallerTakesTurns(t *testing.T) {
	t.Parallel()
	var turns turns
	who := &account.Principal{Organization: project.Organization{ID: 1}}
	var leave []func()
	for range turnsPerCaller {
		done, err := turns.take(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, done)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(gone, who); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("one call too many: want unavailable, got %v", err)
	}
	if done, err := turns.take(t.Context(), &account.Principal{Organization: project.Organization{ID: 2}}); err != nil {
		t.Errorf("another caller waits: %v", err)
	} else {
		done()
	}
	for _, done := range leave {
		done()
	}
	if len(turns.callers) != 0 {
		t.Errorf("%d callers are remembered after they left", len(turns.callers))
	}
}
