package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

// TestHeartbeat: a synthetic event goes through the public door to a delivered alert, again and
// again; when it does not, people hear of it past the notifier, by mail and by a webhook, and again
// when it does.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var pages []map[string]string
	pings := 0
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/ping" {
			pings++
			return
		}
		var page map[string]string
		if json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&page) == nil {
			pages = append(pages, page)
		}
	}))
	t.Cleanup(hook.Close)
	told := func() (list []map[string]string, pinged int) {
		mu.Lock()
		defer mu.Unlock()
		return append(list, pages...), pings
	}
	sink := smtpsink.New(t, nil)
	in := &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}
	db := in.prepare(t)
	in.start(t, "TOCSIN_HEARTBEAT=1s", "TOCSIN_HEARTBEAT_PAGE="+hook.URL+"/page,mailto:ops@example.com", "TOCSIN_HEARTBEAT_PING="+hook.URL+"/ping", "TOCSIN_SMTP_URL="+sink.URL())
	visit := in.visitor(t)
	in.await("a heartbeat that came through", time.Minute, func(ctx context.Context) error {
		page, err := visit(ctx, "/admin/health")
		if err == nil && (!strings.Contains(page, "accepted after") || !strings.Contains(page, "alert delivered after") || strings.Contains(page, "did not come through")) {
			err = fmt.Errorf("the health page says nothing of it")
		}
		if _, pinged := told(); err == nil && pinged == 0 {
			err = fmt.Errorf("the dead-man's switch was not asked")
		}
		return err
	})
	var failed string
	if err := db.QueryRow(t.Context(), "select coalesce(max(failure), '') from heartbeats where failure like '%answered%'").Scan(&failed); err != nil || failed != "" {
		t.Errorf("a fresh installation fails its first heartbeat: %q %v", failed, err)
	}
	status, body, err := fetch(t.Context(), http.MethodGet, in.URL+"/metrics", "", nil)
	if metrics := string(body); err != nil || status != http.StatusOK || !strings.Contains(metrics, `tocsin_heartbeat_up{service="web"} 1`) ||
		!strings.Contains(metrics, `tocsin_heartbeat_seconds{service="web",stage="alerted"}`) {
		t.Errorf("metrics: %d %v", status, err)
	}
	if list, _ := told(); len(list) != 0 || len(sink.Mails()) != 0 {
		t.Errorf("people were told that all is well: %v", list)
	}
	var issues []json.RawMessage
	if err := in.api(t.Context(), "organizations/"+in.Organization+"/issues/?query=", &issues); err != nil || len(issues) != 0 {
		t.Errorf("heartbeats are among the issues of people: %d, %v", len(issues), err)
	}

	execute := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	execute("update alert_rules set is_enabled = false, updated_at = now() where name = 'Every heartbeat'") // as if the notifier were deaf
	in.await("people are told", 2*time.Minute, func(context.Context) error {
		if list, _ := told(); len(list) == 0 || len(sink.Mails()) == 0 {
			return fmt.Errorf("%d pages, %d mails", len(list), len(sink.Mails()))
		}
		return nil
	})
	list, _ := told()
	if page := list[0]; page["state"] != "failing" || !strings.Contains(page["text"], "no alert was delivered") || !strings.Contains(page["text"], in.URL+"/admin/health") {
		t.Errorf("paged %v", page)
	}
	if m := sink.Mails()[0]; m.To[0] != "ops@example.com" || !strings.Contains(string(m.Data), "Subject: Tocsin does not work") {
		t.Errorf("mailed to %v:\n%s", m.To, m.Data)
	}
	if page, err := visit(t.Context(), "/admin/health"); err != nil || !strings.Contains(page, "did not come through") || !strings.Contains(page, "see the notifier") {
		t.Errorf("the health page does not tell: %v", err)
	}
	execute("update alert_rules set is_enabled = true, updated_at = now() where name = 'Every heartbeat'")
	in.await("people are told that it is over", 2*time.Minute, func(context.Context) error {
		if list, _ := told(); len(list) < 2 || list[len(list)-1]["state"] != "ok" {
			return fmt.Errorf("%v", list)
		}
		return nil
	})
	if list, _ := told(); len(list) != 2 {
		t.Errorf("want one page of the failure and one of its end, got %v", list)
	}
}

// visitor signs in without a browser and returns what reads a page.
func (in *instance) visitor(t *testing.T) func(ctx context.Context, path string) (string, error) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	res, err := c.PostForm(in.URL+"/login", url.Values{"email": {in.Email}, "password": {in.Password}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return func(ctx context.Context, path string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL+path, nil)
		if err != nil {
			return "", err
		}
		res, err := c.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s answers %d", path, res.StatusCode)
		}
		return string(body), err
	}
}
