package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// git runs git in a repository.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes a file and commits it, and returns the hash.
func commit(t *testing.T, dir, file, text, message string) string {
	t.Helper()
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", message)
	return git(t, dir, "rev-parse", "HEAD")
}

// fails reports an error of a release, in shop/cart.py, and returns its issue.
func (in *instance) fails(t *testing.T, n int, value, version string) (id, short string) {
	t.Helper()
	doc := fmt.Sprintf(`{"event_id":%q,"platform":"python","release":%q,"environment":"production","exception":{"values":[{"type":"ValueError","value":%q,
		"stacktrace":{"frames":[{"filename":"shop/cart.py","function":%q,"lineno":2,"in_app":true}]}}]}}`, eventID(n), version, value, value)
	if status, err := in.send(t.Context(), eventID(n), strings.ReplaceAll(doc, "\n", "")); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	var where struct {
		GroupID string
		Group   struct{ ShortID string }
	}
	in.await("the event", 20*time.Second, func(ctx context.Context) error {
		return in.api(ctx, "organizations/"+in.Organization+"/eventids/"+eventID(n)+"/", &where)
	})
	var issue struct{ ShortID string }
	if err := in.api(t.Context(), "issues/"+where.GroupID+"/", &issue); err != nil {
		t.Fatal(err)
	}
	return where.GroupID, issue.ShortID
}

// TestTheCommandLineKeepsReleases drives releases with the real sentry-cli, both of its majors:
// what it says a release fixes is resolved in that release, stays so for events of older ones, and
// comes back with the release itself.
func TestTheCommandLineKeepsReleases(t *testing.T) {
	t.Parallel()
	in := up(t)
	sdks := installSDKs(t)
	for i, path := range []string{"node_modules/@sentry/cli/bin/sentry-cli", "node_modules/@sentry/cli-3/bin/sentry-cli"} {
		program, major := filepath.Join(sdks, path), i+2
		repo := t.TempDir()
		cli := func(args ...string) string {
			t.Helper()
			return in.cliIn(t, repo, program, args...)
		}
		wants := func(printed string, texts ...string) {
			t.Helper()
			for _, text := range texts {
				if !strings.Contains(printed, text) {
					t.Errorf("sentry-cli %d: %q is missing in\n%s", major, text, printed)
				}
			}
		}
		old, fixed := fmt.Sprintf("shop-%d@1.0.0", major), fmt.Sprintf("shop-%d@1.1.0", major)
		id, short := in.fails(t, 10*major, fmt.Sprint("broken ", major), old)
		git(t, repo, "init", "-q")
		git(t, repo, "remote", "add", "origin", "https://git.example.org/acme/shop.git")
		commit(t, repo, "shop/cart.py", "a = 1\n", "cart: begin")
		fix := commit(t, repo, "shop/cart.py", "a = 2\n", "cart: round once\n\nFixes "+short)

		wants(cli("releases", "new", fixed, "--url", "https://ci.example.org/7"), "Created release")
		wants(cli("releases", "set-commits", fixed, "--local", "--ignore-missing"), "Set commits for release")
		cli("releases", "finalize", fixed)
		deploys := [][]string{{"releases", "deploys", fixed, "new", "-e", "production"}, {"releases", "deploys", fixed, "list"}}
		if major == 3 {
			deploys = [][]string{{"deploys", "new", "--release", fixed, "-e", "production"}, {"deploys", "list", "--release", fixed}}
		}
		cli(deploys[0]...)
		wants(cli(deploys[1]...), "production")
		wants(cli("releases", "list"), fixed)
		wants(cli("releases", "info", fixed, "--show-commits"), fixed, fix)
		wants(cli("repos", "list"), "Name")

		var issue struct{ Status, Substatus string }
		state := func() string {
			if err := in.api(t.Context(), "issues/"+id+"/", &issue); err != nil {
				t.Fatal(err)
			}
			return issue.Status
		}
		if got := state(); got != "resolved" {
			t.Errorf("sentry-cli %d: the commit that fixes %s left it %s", major, short, got)
		}
		in.fails(t, 10*major+1, fmt.Sprint("broken ", major), old)
		if got := state(); got != "resolved" {
			t.Errorf("sentry-cli %d: an event of the older release left it %s", major, got)
		}
		in.fails(t, 10*major+2, fmt.Sprint("broken ", major), fixed)
		if got := state(); got != "unresolved" || issue.Substatus != "regressed" {
			t.Errorf("sentry-cli %d: an event of the release left it %s, %s", major, got, issue.Substatus)
		}
		other, _ := in.fails(t, 10*major+3, fmt.Sprint("broken anew ", major), fixed)
		var facts struct {
			SuspectCommits []struct{ Commits []struct{ ID string } }
		}
		in.await("suspect commits", 20*time.Second, func(ctx context.Context) error {
			err := in.api(ctx, "issues/"+other+"/facts/", &facts)
			if err == nil && (len(facts.SuspectCommits) == 0 || facts.SuspectCommits[0].Commits[0].ID != fix) {
				err = fmt.Errorf("want %s suspected, got %+v", fix, facts)
			}
			return err
		})

		passing := fmt.Sprintf("shop-%d@0.9.0", major)
		cli("releases", "new", passing)
		cli("releases", "archive", passing)
		cli("releases", "restore", passing)
		wants(cli("releases", "delete", passing), "Deleted release")
		if status, body, err := fetch(t.Context(), http.MethodGet, in.URL+"/api/0/organizations/"+in.Organization+"/releases/"+passing+"/", in.AuthToken, nil); err != nil || status != http.StatusNotFound {
			t.Errorf("a deleted release answers %d %s %v", status, body, err)
		}
	}
}
