package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/replay"
)

// replay sends the requests of a client, as testdata/clients tells them.
func (w *world) replay(t *testing.T, name string, vars map[string]string) {
	t.Helper()
	n := replay.Run(t, "testdata/clients/"+name+".txt", vars, func(method, path, body string) (int, []byte) {
		a := w.callAs("Bearer "+w.token, method, path, body)
		return a.status, a.body
	})
	t.Logf("%s: %d requests", name, n)
}

// TestGrafanasDataSourceReadsWhatItAsksFor replays what each of its query types and pickers sends.
func TestGrafanasDataSourceReadsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	w.want(201, "POST", org+"teams/", `{"slug":"core"}`)
	w.want(201, "POST", proj+"teams/core/")
	const layout = "2006-01-02T15:04:05"
	w.replay(t, "grafana", map[string]string{"start": noon.Add(-6 * time.Hour).Format(layout), "end": noon.Add(6 * time.Hour).Format(layout)})
}

// TestTheTerraformProviderReadsWhatItWrote replays the life of each resource that this server has.
func TestTheTerraformProviderReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	newWorld(t).replay(t, "terraform", map[string]string{})
}

// TestAProjectIsFoundByTheSlugItHad: what is set up with the old slug goes on working, until another
// project takes it; short ids lead on as well.
func TestAProjectIsFoundByTheSlugItHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	for body, want := range map[string]string{`{"slug":"attic"}`: "already using", `{"slug":"Not a slug"}`: "1 to 50", `{"slug":"77"}`: "not a number", `{"slug":""}`: "1 to 50"} {
		if a := w.want(400, "PUT", proj, body); !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	var p struct{ ID, Slug, Name string }
	w.want(200, "PUT", proj, `{"slug":"store","name":"The store"}`).json(t, &p)
	if p.Slug != "store" || p.ID != "1" || p.Name != "The store" {
		t.Errorf("%+v", p)
	}
	a := w.want(302, "GET", proj+"?collapse=organization")
	if to := a.header.Get("Location"); to != baseURL+"/api/0/projects/default/store/?collapse=organization" || !strings.Contains(string(a.body), `"slug":"store"`) {
		t.Errorf("%s %s", to, a.body)
	}
	w.want(200, "GET", proj+"keys/")
	w.want(201, "POST", proj+"releases/", `{"version":"shop@3.0.0"}`)
	for _, short := range []string{"SHOP-1", "STORE-1"} {
		var issue struct{ ShortID string }
		if w.want(200, "GET", org+"issues/"+short+"/").json(t, &issue); issue.ShortID != "STORE-1" {
			t.Errorf("%s is %s", short, issue.ShortID)
		}
	}
	w.want(404, "GET", org+"issues/1-1/")
	w.want(200, "PUT", "/api/0/projects/default/store/", `{"slug":"shop"}`) // back again
	w.want(200, "GET", proj)
	w.want(302, "GET", "/api/0/projects/default/store/")
	w.want(201, "POST", org+"projects/", `{"name":"store","slug":"store"}`) // somebody takes it
	if w.want(200, "GET", "/api/0/projects/default/store/").json(t, &p); p.ID == "1" {
		t.Error("a slug leads to the project that had it rather than to the one that has it")
	}
}
