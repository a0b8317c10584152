package account_test

import (
	"context"
	"encoding/base64"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/argon2"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestAPasswordVerifiesAgainstItsOwnHashOnly(t *testing.T) {
	t.Parallel()
	hash, err := account.HashPassword(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash %q: %v", hash, err)
	}
	again, _ := account.HashPassword(t.Context(), "correct horse")
	if again == hash {
		t.Error("two hashes of one password share a salt")
	}
	for password, want := range map[string]bool{"correct horse": true, "correct hors": false, "": false, strings.Repeat("x", 2000): false} {
		if ok, stale, err := account.VerifyPassword(t.Context(), hash, password); ok != want || stale || err != nil {
			t.Errorf("%.20q: want %v, got %v, stale %v, %v", password, want, ok, stale, err)
		}
	}
}

func TestACheaperHashIsMadeAnew(t *testing.T) {
	t.Parallel()
	salt, enc := []byte("somesalt"), base64.RawStdEncoding
	old := "$argon2id$v=19$m=64,t=1,p=1$" + enc.EncodeToString(salt) + "$" + enc.EncodeToString(argon2.IDKey([]byte("password"), salt, 1, 64, 1, 32))
	ok, stale, err := account.VerifyPassword(t.Context(), old, "password")
	if err != nil || !ok || !stale {
		t.Errorf("want a match that is stale, got %v %v %v", ok, stale, err)
	}
}

func TestMalformedHashesNeverMatch(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{"x", "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$655ad15e", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aaaa", "$argon2id$v=19$m=64,t=1,p=1$$"} {
		if ok, _, err := account.VerifyPassword(t.Context(), hash, "password"); ok || fault.KindOf(err) != fault.Internal || err == nil {
			t.Errorf("%s: got %v, %v", hash, ok, err)
		}
	}
	if ok, _, err := account.VerifyPassword(t.Context(), "", "\x00"); ok || err != nil {
		t.Errorf("no user: got %v, %v", ok, err)
	}
}

func TestShortAndLongPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "1234567", "äöüäöüä", strings.Repeat("x", 1025)} {
		if _, err := account.HashPassword(t.Context(), p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.10q: want invalid, got %v", p, err)
		}
	}
}

func TestRolesGrantWhatTheyImply(t *testing.T) {
	t.Parallel()
	owner, member := account.RoleOwner.Scopes(), account.RoleMember.Scopes()
	for _, s := range []account.Scope{account.OrgRead, account.OrgAdmin, account.OrgIntegrations, account.MemberAdmin, account.ProjectWrite, account.EventAdmin, account.AlertsRead} {
		if !owner.Has(s) {
			t.Errorf("an owner lacks %s", s)
		}
	}
	if member.Has(account.ProjectWrite, account.OrgWrite, account.MemberWrite, account.OrgCI) || !member.Has(account.EventWrite) {
		t.Errorf("a member has %v", member)
	}
	if got := account.NewScopes("event:admin", "project:admin").Within(member); !slices.Equal(got, account.Scopes{"event:admin", "event:read", "event:write", "project:read"}) {
		t.Errorf("a token of a member has %v", got)
	}
	if got := account.Role("nobody").Scopes(); got != nil {
		t.Errorf("an unknown role grants %v", got)
	}
}

func TestBearerTokens(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", "Basic abc": "", "": "", "Bearer": "", "Bearer " + strings.Repeat("x", 3000): "",
	} {
		if diff := cmp.Diff(want, account.BearerToken(header)); diff != "" {
			t.Errorf("%.20q: %s", header, diff)
		}
	}
	token := account.NewUserToken()
	if len(token) != 7+64 || !strings.HasPrefix(token, "sntryu_") || account.LastCharacters(token) != token[67:] {
		t.Errorf("token %q", token)
	}
}

func TestAThousandGuessesAreBlocked(t *testing.T) {
	t.Parallel()
	var th account.Throttle
	now, tried := time.Unix(0, 0), 0
	addr := netip.MustParseAddr("203.0.113.9")
	for range 1000 {
		if th.Wait("Owner@Example.org ", addr, now) == 0 {
			tried++
			th.Failed("owner@example.org", addr, now)
		}
		now = now.Add(time.Second)
	}
	if tried > 20 {
		t.Errorf("%d of 1000 guesses in as many seconds were let through", tried)
	}
	if th.Wait("other@example.org", netip.MustParseAddr("203.0.114.9"), now) != 0 {
		t.Error("somebody else elsewhere must wait too")
	}
	th.Succeeded("owner@example.org")
	if th.Wait("owner@example.org", netip.MustParseAddr("203.0.114.9"), now) != 0 {
		t.Error("a success does not clear the account")
	}
}

func TestManyGuessesFromOneNetworkAreBlocked(t *testing.T) {
	t.Parallel()
	var th account.Throttle
	now, tried := time.Unix(0, 0), 0
	for i := range 1000 {
		email := strings.Repeat("x", i%250) + "@example.org"
		addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if th.Wait(email, addr, now) == 0 {
			tried++
			th.Failed(email, addr, now)
		}
		now = now.Add(time.Second)
	}
	if tried > 40 {
		t.Errorf("%d of 1000 guesses were let through", tried)
	}
}

func TestTheThrottleIsBounded(t *testing.T) {
	t.Parallel()
	var th account.Throttle
	now := time.Unix(0, 0)
	for i := range 60_000 {
		th.Failed(string(rune('a'+i%26))+strings.Repeat("y", i%200)+time.Duration(i).String(), netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), now)
	}
	if n := th.Len(); n > 20_001 {
		t.Errorf("%d entries are remembered", n)
	}
}

// TestARushOfSignInsStaysWithinMemory: each check of a password holds 19 MiB, so that few run at a
// time, and whoever gives up waiting is told so.
func TestARushOfSignInsStaysWithinMemory(t *testing.T) {
	hash, err := account.HashPassword(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	var rush sync.WaitGroup
	stop := make(chan struct{})
	peak := make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			default:
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			runtime.Gosched()
		}
	}()
	for range 40 {
		rush.Go(func() {
			if ok, _, err := account.VerifyPassword(t.Context(), hash, "correct horse"); err != nil || !ok {
				t.Errorf("%v %v", ok, err)
			}
		})
	}
	rush.Wait()
	close(stop)
	// Those that run, as many again that the collector has not met yet, and the rest of the test.
	if most, bound := <-peak, uint64(4*max(2, runtime.GOMAXPROCS(0))*19+64)<<20; most > bound {
		t.Errorf("40 sign-ins took %d MiB, more than %d", most>>20, bound>>20)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := account.HashPassword(gone, "correct horse"); err == nil {
		t.Error("a password was hashed for somebody who left")
	}
}
