package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

var firstStart = postgres.BootstrapInput{Organization: "default", Project: "default", Email: "Owner@Example.org", Password: "correct horse"}

func bootstrapped(t testing.TB, st *postgres.Store) postgres.Bootstrapped {
	t.Helper()
	made, err := st.Bootstrap(t.Context(), firstStart)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestBootstrapHappensOnce(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	results := make([]error, 4)
	var g errgroup.Group
	for i := range results {
		g.Go(func() error {
			_, results[i] = st.Bootstrap(t.Context(), firstStart)
			return nil
		})
	}
	_ = g.Wait()
	made := 0
	for _, err := range results {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, postgres.ErrBootstrapped):
			t.Errorf("want ErrBootstrapped, got %v", err)
		}
	}
	if made != 1 {
		t.Errorf("%d of 4 starts made an organization", made)
	}
	snaps, err := st.Snapshots(t.Context())
	if err != nil || len(snaps) != 1 || snaps[0].Project != 1 || snaps[0].Slug != "default" || len(snaps[0].Keys) != 1 || !snaps[0].Keys[0].Active {
		t.Errorf("snapshots %+v, %v", snaps, err)
	}
}

func TestTheOwnerSignsInAndTheTokenSpeaksForHim(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	made := bootstrapped(t, st)
	u, err := st.SignIn(t.Context(), "owner@example.ORG", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"owner@example.org", "wrong"}, {"nobody@example.org", "correct horse"}} {
		if _, err := st.SignIn(t.Context(), c[0], c[1]); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%v: want unauthenticated, got %v", c, err)
		}
	}
	h, err := st.TokenByHash(t.Context(), account.HashToken(made.AuthToken))
	if err != nil || h.Principal.User == nil || h.Principal.User.ID != u.ID || h.Principal.Organization.Slug != "default" {
		t.Fatalf("token holder %+v, %v", h, err)
	}
	if diff := cmp.Diff(account.RoleOwner.Scopes(), h.Principal.Scopes); diff != "" {
		t.Error(diff)
	}
	if p, err := st.Principal(t.Context(), u.ID, "default"); err != nil || p.Role != account.RoleOwner {
		t.Errorf("principal %+v, %v", p, err)
	}
	if _, err := st.Principal(t.Context(), u.ID, "other"); fault.KindOf(err) != fault.Unknown {
		t.Errorf("another organization: want unknown, got %v", err)
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	bootstrapped(t, st)
	u, err := st.UserByEmail(t.Context(), "owner@example.org")
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Second)
	expired := account.Token{Organization: 1, User: u.ID, Scopes: account.NewScopes(account.EventRead), ExpiresAt: &past}
	_, old, err := st.CreateToken(t.Context(), expired)
	if err != nil {
		t.Fatal(err)
	}
	lasting := expired
	lasting.ExpiresAt = nil
	lasting, secret, err := st.CreateToken(t.Context(), lasting)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{old, "", "sntryu_0"} {
		if _, err := st.TokenByHash(t.Context(), account.HashToken(token)); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("want unauthenticated, got %v", err)
		}
	}
	if err := st.SetMembership(t.Context(), 1, u.ID, account.RoleMember); err != nil {
		t.Fatal(err)
	}
	if h, err := st.TokenByHash(t.Context(), account.HashToken(secret)); err != nil || len(h.Principal.Scopes) != 1 {
		t.Errorf("holder %+v, %v", h, err)
	}
	if err := st.RevokeToken(t.Context(), 2, lasting.ID); fault.KindOf(err) != fault.Unknown {
		t.Errorf("another organization's token: want unknown, got %v", err)
	}
	if err := st.RevokeToken(t.Context(), 1, lasting.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := st.TokenByHash(t.Context(), account.HashToken(secret)); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("a revoked token: got %v", err)
	}
}

func TestProjectsAreNumberedAndNamedOnce(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	bootstrapped(t, st)
	var g errgroup.Group
	for _, slug := range []string{"a", "b", "c", "d"} {
		g.Go(func() error {
			_, err := st.CreateProject(t.Context(), 1, slug, slug, "go")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.CreateProject(t.Context(), 1, "a", "again", ""); fault.KindOf(err) != fault.Conflict {
		t.Errorf("want a conflict, got %v", err)
	}
	if _, err := st.CreateProject(t.Context(), 1, "12", "number", ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("want invalid, got %v", err)
	}
	list, err := st.Projects(t.Context(), 1)
	if err != nil || len(list) != 5 {
		t.Fatalf("projects %+v, %v", list, err)
	}
	p, err := st.Project(t.Context(), 1, "c")
	keys, kerr := st.Keys(t.Context(), p.ID)
	if err != nil || kerr != nil || p.ID < 2 || len(keys) != 1 || len(keys[0].PublicKey) != 32 {
		t.Errorf("project %+v, keys %+v, %v, %v", p, keys, err, kerr)
	}
	if _, err := st.Project(t.Context(), 2, "c"); fault.KindOf(err) != fault.Unknown {
		t.Errorf("another organization's project: want unknown, got %v", err)
	}
}
