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

func TestVerifiedTokensAreForgottenInTime(t *testing.T) {
	t.Parallel()
	var c holders
	now := time.Unix(1000, 0)
	soon := now.Add(time.Second)
	c.put([32]byte{1}, postgres.TokenHolder{}, now)
	c.put([32]byte{2}, postgres.TokenHolder{ExpiresAt: &soon}, now)
	for _, step := range []struct {
		after      time.Duration
		one, other bool
	}{{0, true, true}, {time.Second, true, false}, {holderAge - 1, true, false}, {holderAge, false, false}} {
		at := now.Add(step.after)
		if got1, got2 := c.get([32]byte{1}, at) != nil, c.get([32]byte{2}, at) != nil; got1 != step.one || got2 != step.other {
			t.Errorf("after %v: %v, %v", step.after, got1, got2)
		}
	}
	for i := range uint32(3 * maxHolder) {
		var hash [32]byte
		binary.BigEndian.PutUint32(hash[:], i)
		c.put(hash, postgres.TokenHolder{}, now)
	}
	if len(c.held) > maxHolder {
		t.Errorf("%d tokens are remembered", len(c.held))
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
