package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// showcase is an instance with something to see on every page: what clients of several languages
// reported, and what people set up, wrote and broke.
type showcase struct {
	*instance
	t       *testing.T
	db      *pgx.Conn
	web     *http.Client      // signed in
	names   map[string]string // what stands for the parameters of routes
	special map[string]string // addresses of routes whose parameters mean something of their own
	letters *mailbox
}

func newShowcase(t *testing.T) *showcase {
	t.Helper()
	hook := newReceiver(t)
	in := &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}
	s := &showcase{instance: in, t: t, db: in.prepare(t), special: map[string]string{}, letters: newMailbox(t)}
	if _, err := s.db.Exec(t.Context(), `update client_keys set public_key = $1`, sdk.Key); err != nil {
		t.Fatal(err)
	}
	in.DSN = strings.Replace(in.DSN, in.key(), sdk.Key, 1)
	in.start(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8", "TOCSIN_SMTP_URL=smtp://"+s.letters.address)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.web = &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.post("/login", "email", in.Email, "password", in.Password)
	s.alerts(hook.URL)
	for _, r := range sdk.Requests(t, sdk.KindEnvelope, sdk.KindStore) {
		switch family(r) {
		case "python-2.x", "node-10.x", "go-0.50", "browser-11.x", "ruby-6.6", "raven-js-3.27":
			in.replay(t, r)
		}
	}
	key, err := seal.Load(filepath.Join(in.data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.special["/unsubscribe"] = "/unsubscribe?token=" + url.QueryEscape(key.Seal([]byte("1 1 alerts"), alert.UnsubscribeUse))
	s.people()
	s.issue()
	s.broken()
	return s
}

// alerts sets up a destination and a rule, so that issues are told of.
func (s *showcase) alerts(hook string) {
	var made struct{ ID string }
	s.call(http.MethodPost, "/api/v1/organizations/default/destinations/", map[string]any{"channel": "webhook", "name": "Pager", "settings": map[string]string{"url": hook}}, &made)
	s.call(http.MethodPut, "/api/v1/projects/default/default/alert-rules/", map[string]any{"name": "New and back again", "enabled": true, "match": "any", "filterMatch": "all",
		"filters": []any{}, "conditions": []any{map[string]string{"kind": "new"}, map[string]string{"kind": "regressed"}},
		"actions": []any{map[string]string{"kind": "destination", "destination": made.ID}}}, nil)
}

// people adds a team, somebody who is invited, somebody who forgot a password, tokens, and a kept search.
func (s *showcase) people() {
	s.call(http.MethodPost, "/api/0/organizations/default/teams/", map[string]string{"name": "Core", "slug": "core"}, nil)
	s.special["/o/{org}/alerts/destinations/new"] = "/o/default/alerts/destinations/new?channel=webhook"
	s.special["/invite/{token}"] = s.link(s.post("/o/default/settings/members", "do", "invite", "email", "ann@example.org", "role", "member"))
	s.post("/forgot", "email", s.Email)
	s.await("the mail with the link", time.Minute, func(context.Context) error {
		mail, err := s.letters.find(s.Email)
		if err == nil && !strings.Contains(mail.text, "/reset/") {
			err = fmt.Errorf("the newest mail is %s", mail.subject)
		}
		s.special["/reset/{token}"] = s.link(mail.text)
		return err
	})
	s.post("/o/default/settings/tokens", "do", "create", "name", "deploys", "kind", "organization", "scope", "org:ci")
	s.post("/account/tokens", "do", "create", "org", "1", "name", "laptop", "scope", "event:read")
	s.post("/o/default/views", "do", "save", "name", "Production", "query", "environment:production", "back", "/o/default/issues")
}

// link is the path of a link that lets its holder in.
func (s *showcase) link(text string) string {
	return regexp.MustCompile(`/(invite|reset)/[\w-]+`).FindString(text)
}

// issue waits for what was sent, and picks the issue and the event that routes are about. It gets
// files, words and a history.
func (s *showcase) issue() {
	var issues []struct{ ID, ShortID string }
	s.await("the issue", time.Minute, func(ctx context.Context) error {
		err := s.api(ctx, "organizations/default/issues/?limit=1&query=platform:python+%22order+C-3%22", &issues)
		if err == nil && len(issues) == 0 {
			err = errors.New("it is not there")
		}
		return err
	})
	var event struct{ EventID string }
	if err := s.api(s.t.Context(), "issues/"+issues[0].ID+"/events/latest/", &event); err != nil {
		s.t.Fatal(err)
	}
	log := "14:03:11 charge: card declined\n14:03:12 charge: giving up\n"
	body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"attachment\",\"filename\":\"charge.log\",\"content_type\":\"text/plain\",\"length\":%d}\n%s\n", event.EventID, len(log), log)
	if status, answer, err := fetch(s.t.Context(), http.MethodPost, s.URL+"/api/1/envelope/?sentry_key="+sdk.Key, "", []byte(body)); err != nil || status != http.StatusOK {
		s.t.Fatalf("send the file: %d %s %v", status, answer, err)
	}
	issue := "/o/default/issues/" + issues[0].ShortID
	s.post(issue+"/comments", "do", "comment", "text", "The gateway **declines** cards without an address.", "back", issue)
	s.names = map[string]string{"{org}": "default", "{slug}": "default", "{project}": "default", "{issue}": issues[0].ShortID, "{event}": event.EventID,
		"{team}": "core", "{pid}": s.ProjectID, "{frame}": "0-0", "{version}": url.PathEscape("shop@2.4.1")}
}

// broken sends what becomes dead letters, and finds what has names that only the instance knows.
func (s *showcase) broken() {
	for n := range 3 {
		if status, err := s.send(s.t.Context(), eventID(900+n), `{"message":`); err != nil || status != http.StatusOK {
			s.t.Fatalf("send: %d %v", status, err)
		}
	}
	s.find("{rule}", "/o/default/alerts", `/o/default/alerts/(\d+)"`)
	s.find("{destination}", "/o/default/alerts/destinations", `/alerts/destinations/(\d+)`)
	s.find("{group}", "/admin/dlq", `/admin/dlq/groups/([\w-]+)`)
	s.find("{letter}", "/admin/dlq/groups/"+s.names["{group}"], `/admin/dlq/([\w-]+)"`)
	s.find("{delivery}", "/o/default/alerts/history", `/alerts/history/\d+/(\d+)`)
	s.find("{file}", "/o/default/issues/"+s.names["{issue}"]+"/attachments", `/attachments/(\d+)`)
	cli, dir := filepath.Join(installClients(s.t, "clients"), "node_modules/cli2/bin/sentry-cli"), shopFiles(s.t)
	s.cliIn(s.t, dir, cli, "sourcemaps", "inject", "dist")
	s.cliIn(s.t, dir, cli, "sourcemaps", "upload", "--release", "shop@2.4.1", "dist")
	s.cliIn(s.t, dir, cli, "debug-files", "upload", "shop.sym")
	s.find("{bundle}", "/o/default/projects/default/artifacts", `/projects/default/artifacts/([^"?]+)"`)
}

// find waits until a page leads to something and keeps its name.
func (s *showcase) find(parameter, path, pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	s.await(parameter+" on "+path, time.Minute, func(context.Context) error {
		_, page := s.get(path)
		if m := re.FindStringSubmatch(page); m != nil {
			s.names[parameter] = m[1]
			return nil
		}
		return fmt.Errorf("the page is %.2000s", page)
	})
}

// get reads a page as its owner.
func (s *showcase) get(path string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(req)
}

// post sends a form as its owner and returns the page that answers; it must not be turned down.
func (s *showcase) post(path string, fields ...string) string {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, body := s.do(req)
	if res.StatusCode >= http.StatusBadRequest {
		s.t.Fatalf("POST %s: %d %.3000s", path, res.StatusCode, body)
	}
	return body
}

func (s *showcase) do(req *http.Request) (*http.Response, string) {
	s.t.Helper()
	res, err := s.web.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(body)
}

// call speaks to the API.
func (s *showcase) call(method, path string, body, into any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	status, answer, err := fetch(s.t.Context(), method, s.URL+path, s.AuthToken, text, "Content-Type", "application/json")
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil || status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, status, answer, err)
	}
}
