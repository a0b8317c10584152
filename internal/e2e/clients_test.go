package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var installing sync.Mutex // tests that want the same packages

// installClients installs the pinned packages of testdata/NAME from npm into a folder kept between runs.
func installClients(t *testing.T, name string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	manifest, err := os.ReadFile(filepath.Join("testdata", name, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "tocsin-e2e-"+name)
	if have, _ := os.ReadFile(filepath.Join(dir, "installed.json")); string(have) == string(manifest) {
		return dir
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "package.json"), manifest, 0o600)); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "installed.json"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSentryCLIWorksUnchanged runs the commands of both current major versions and prints what each
// answered.
func TestSentryCLIWorksUnchanged(t *testing.T) {
	t.Parallel()
	in, clients := up(t), installClients(t, "clients")
	send(t, in, `{"platform":"go","level":"error","exception":{"values":[{"type":"Boom","value":"bad"}]}}`)
	in.await("an issue", 60*time.Second, func(ctx context.Context) error {
		_, body, err := fetch(ctx, http.MethodGet, in.URL+"/api/0/organizations/default/issues/", in.AuthToken, nil)
		if err == nil && !strings.Contains(string(body), "DEFAULT-1") {
			err = fmt.Errorf("no issue yet: %.200s", body)
		}
		return err
	})
	table := newTable("Command", "2.58.2", "3.8.0")
	for column, version := range []string{"cli2", "cli3"} {
		dir, release := shopFiles(t), "shop-"+version+"@1.0.0"
		deploys := []string{"releases deploys " + release + " new -e production", "releases deploys " + release + " list"}
		if version == "cli3" {
			deploys = []string{"deploys new --release " + release + " -e production", "deploys list --release " + release}
		}
		for _, c := range []struct{ command, want string }{
			{"info", "org:read"}, {"organizations list", "default"}, {"projects list", "default"}, {"repos list", ""}, {"issues list", "DEFAULT-1"},
			{"issues mute --all", "muted"}, {"issues unresolve --all", "unresolved"}, {"issues resolve --all", "resolved"}, {"issues unresolve --all", "unresolved"},
			{"events list", "Boom"}, {"logs list", "No logs found"}, {"monitors list", ""}, {"send-event -m hello", "Event dispatched"}, {"send-envelope error.envelope", "Envelope from file"}, {"monitors run nightly -- true", ""},
			{"releases new " + release, "Created release"}, {"releases set-commits " + release + " --local --ignore-missing", "Set commits"},
			{"releases finalize " + release, "Finalized release"}, {deploys[0], ""}, {deploys[1], "production"}, {"releases list", release}, {"releases info " + release, release},
			{"sourcemaps inject dist", "Source Map Debug ID Injection Report"}, {"sourcemaps upload --release " + release + " dist", "Uploaded files to"},
			{"debug-files upload shop.sym", "debug information file"}, {"releases archive " + release, "Archived release"}, {"releases restore " + release, "Restored release"}, {"releases delete " + release, "Deleted release"},
		} {
			args := append([]string{filepath.Join(clients, "node_modules", version, "bin", "sentry-cli")}, strings.Fields(c.command)...)
			cmd := exec.CommandContext(t.Context(), "node", args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "SENTRY_URL="+in.URL, "SENTRY_AUTH_TOKEN="+in.AuthToken, "SENTRY_ORG=default", "SENTRY_PROJECT=default", "SENTRY_DSN="+in.DSN)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s %s: %v\n%s", version, c.command, err, out)
				continue
			}
			t.Logf("%s %-50s ok", version, c.command)
			table.add(strings.ReplaceAll(c.command, version, "…"), column, c.want)
		}
	}
	table.check(t, "sentry-cli")
}

// shopFiles is a folder with what the commands upload.
func shopFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"dist/app.js":     "function shop(){throw new Error(\"x\")}\nshop();\n//# sourceMappingURL=app.js.map\n",
		"dist/app.js.map": `{"version":3,"file":"app.js","sources":["app.ts"],"sourcesContent":["function shop() { throw new Error('x') }"],"names":[],"mappings":"AAAA"}`,
		"error.envelope":  "{\"event_id\":\"" + eventID(77) + "\"}\n{\"type\":\"event\"}\n{\"message\":\"from a file\",\"level\":\"error\"}\n",
		"shop.sym":        "MODULE Linux x86_64 492E2DD23CC306CA9C494EEF1533A3810 shop\nFILE 0 shop.c\nFUNC 1000 10 0 main\n1000 10 1 0\nPUBLIC 2000 0 other\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "init", "-q")
	git(t, dir, "remote", "add", "origin", "https://git.example.org/acme/shop.git")
	commit(t, dir, "shop/cart.py", "a = 1\n", "cart: begin")
	return dir
}

// send reports one event with the instance's DSN.
func send(t *testing.T, in *instance, payload string) {
	t.Helper()
	key, _, _ := strings.Cut(strings.TrimPrefix(in.DSN, "http://"), "@")
	status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/1/store/?sentry_key="+key, "", []byte(payload))
	if err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %s %v", status, body, err)
	}
}

// TestAnImportKeepsDSNsIssuesAndGoesOn takes one running installation over into another: the
// project keeps its number and key, the issue its status and count, and a second run does nothing.
func TestAnImportKeepsDSNsIssuesAndGoesOn(t *testing.T) {
	t.Parallel()
	from, to := up(t), up(t)
	for range 3 {
		send(t, from, `{"platform":"go","level":"error","exception":{"values":[{"type":"Boom","value":"bad"}]}}`)
	}
	from.await("three events", 60*time.Second, func(ctx context.Context) error {
		_, body, err := fetch(ctx, http.MethodGet, from.URL+"/api/0/organizations/default/issues/", from.AuthToken, nil)
		if err == nil && !strings.Contains(string(body), `"count":"3"`) {
			err = fmt.Errorf("not counted yet: %.200s", body)
		}
		return err
	})
	run(t, "issue", "resolve", "DEFAULT-1", "--data", from.data)
	state := filepath.Join(t.TempDir(), "state.json")
	take := func(more ...string) (rep struct {
		Projects []struct {
			ID, Slug                       string
			Keys, Issues, DoneBefore, Gone int
		}
	}) {
		t.Helper()
		args := append([]string{"import", "sentry", "--json", "--data", to.data, "--from", from.URL, "--from-token", from.AuthToken, "--from-org", "default", "--state", state}, more...)
		if err := json.Unmarshal([]byte(run(t, args...)), &rep); err != nil || len(rep.Projects) != 1 {
			t.Fatalf("report %+v, %v", rep, err)
		}
		return rep
	}
	if rep := take("--dry-run"); rep.Projects[0].Issues != 1 || rep.Projects[0].ID != "" {
		t.Errorf("dry run %+v", rep)
	}
	if rep := take(); rep.Projects[0].Issues != 1 || rep.Projects[0].ID != from.ProjectID {
		t.Errorf("import %+v", rep)
	}
	if rep := take(); rep.Projects[0].Issues != 0 || rep.Projects[0].DoneBefore != 1 {
		t.Errorf("again %+v", rep)
	}
	var issues []struct{ ShortID, Status, Count string }
	if err := json.Unmarshal([]byte(run(t, "issue", "list", "--query", "", "--json", "--data", to.data)), &issues); err != nil || len(issues) != 1 || issues[0].Status != "resolved" || issues[0].Count != "3" {
		t.Errorf("issues %+v, %v", issues, err)
	}
	// The old DSN, with only the host changed, goes on working.
	moved := *to
	moved.DSN = strings.Replace(from.DSN, strings.TrimPrefix(from.URL, "http://"), strings.TrimPrefix(to.URL, "http://"), 1)
	to.await("the key to be known", 30*time.Second, func(ctx context.Context) error {
		key, _, _ := strings.Cut(strings.TrimPrefix(moved.DSN, "http://"), "@")
		status, body, err := fetch(ctx, http.MethodPost, to.URL+"/api/1/store/?sentry_key="+key, "", []byte(`{"message":"moved"}`))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
}
