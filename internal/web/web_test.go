package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// TestTheServiceServesAndPublishes runs the service as its program does.
func TestTheServiceServesAndPublishes(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	st, broker := pgtest.Open(t, database), natstest.New(t)
	made, err := st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "default", Email: "owner@example.com", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	k, err := app.New("web", app.Config{Data: t.TempDir(), URL: "http://" + address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Store, k.Bus, k.Listen = st, broker.Conn("web"), address
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, k, Config{}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})

	heard := make(chan project.Snapshot, 1)
	go func() {
		_ = bindings.Projects.Watch(ctx, broker.Conn("ingest"), func(_ string, s *project.Snapshot) {
			if s != nil {
				heard <- *s
			}
		}, func() {})
	}()
	select {
	case s := <-heard:
		if s.Project != made.ProjectID || len(s.Keys) != 1 || s.Keys[0].PublicKey != made.PublicKey {
			t.Errorf("ingest hears of %+v", s)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("ingest hears of no project")
	}
	listening := func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	for end := time.Now().Add(20 * time.Second); !listening() && time.Now().Before(end); { // it publishes before it listens
		time.Sleep(10 * time.Millisecond)
	}
	checkLoginReachesAPI(t, "http://"+address, made)
	elsewhere := pgtest.Open(t, database) // as another replica
	for name, store := range map[string]*postgres.Store{"this process": st, "another process": elsewhere} {
		changed := time.Now()
		k, err := store.CreateKey(t.Context(), made.ProjectID, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for knows := false; !knows; {
			select {
			case s := <-heard:
				knows = slices.ContainsFunc(s.Keys, func(h project.SnapshotKey) bool { return h.PublicKey == k.PublicKey })
			case <-time.After(20 * time.Second):
				t.Fatalf("ingest does not hear of a key made by %s", name)
			}
		}
		t.Logf("a key made by %s was known after %s", name, time.Since(changed))
	}
}

// checkLoginReachesAPI signs in as a browser does and calls the API with the login and a token.
func checkLoginReachesAPI(t *testing.T, base string, made postgres.Bootstrapped) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	organizations := func(c *http.Client, token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/0/organizations/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if status, _ := organizations(browser, ""); status != http.StatusUnauthorized {
		t.Errorf("nobody reads the API: want 401, got %d", status)
	}
	res, err := browser.PostForm(base+"/login", url.Values{"email": {made.Email}, "password": {"correct horse"}})
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.Contains(string(page), "Issues") {
		t.Fatalf("sign in: %d\n%s", res.StatusCode, page)
	}
	for name, c := range map[string]struct {
		client *http.Client
		token  string
	}{"login": {browser, ""}, "token": {http.DefaultClient, made.AuthToken}} {
		status, body := organizations(c.client, c.token)
		var list []struct{ Slug string }
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK || len(list) != 1 || list[0].Slug != "default" {
			t.Errorf("%s: %d %s (%v)", name, status, body, err)
		}
	}
}
