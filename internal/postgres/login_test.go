package postgres_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestLoginsEndWhenTheyExpire(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	l := st.Logins()
	now := time.Now()
	for token, expiry := range map[string]time.Time{"live": now.Add(time.Hour), "dead": now.Add(-time.Minute)} {
		if err := l.CommitCtx(t.Context(), token, []byte(token), expiry); err != nil {
			t.Fatal(err)
		}
	}
	for token, want := range map[string]bool{"live": true, "dead": false, "never": false} {
		data, found, err := l.FindCtx(t.Context(), token)
		if err != nil || found != want || found && string(data) != token {
			t.Errorf("find %s: want %v, got %q %v %v", token, want, data, found, err)
		}
	}
	if n, err := l.Expire(t.Context()); n != 1 || err != nil {
		t.Errorf("want one expired login removed, got %d, %v", n, err)
	}
	if err := l.DeleteCtx(t.Context(), "live"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := l.FindCtx(t.Context(), "live"); found || err != nil {
		t.Errorf("a deleted login is still there: %v", err)
	}
}

func TestCommittingALoginKeepsTheNewestData(t *testing.T) {
	t.Parallel()
	l := pgtest.New(t).Logins()
	expiry := time.Now().Add(time.Hour)
	for _, data := range []string{"first", "second"} {
		if err := l.CommitCtx(t.Context(), "token", []byte(data), expiry); err != nil {
			t.Fatal(err)
		}
		got, _, err := l.FindCtx(t.Context(), "token")
		if err != nil || string(got) != data {
			t.Errorf("want %q, got %q, %v", data, got, err)
		}
	}
}
