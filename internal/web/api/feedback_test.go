package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestReportsArePosted: with a token or a DSN, of this project alone; both sides of the ledger know.
func TestReportsArePosted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	e := eventID("1boom", 0).String()
	send := func(auth, path, body string) (int, string) {
		a := w.callAs(auth, "POST", path, body)
		return a.status, string(a.body)
	}
	path := proj + "user-feedback/"
	body := func(id string) string {
		return fmt.Sprintf(`{"event_id":%q,"name":"Ann","email":"a@x.org","comments":"broken, postgres://app:pwcanary@db/ was shown"}`, id)
	}
	byDSN := "DSN http://" + w.key + "@errors.example.org/1"
	for n, auth := range map[string]string{"1": byDSN, "2": "Bearer " + w.token} {
		id := e
		if n == "2" {
			id = eventID("1other", 0).String()
		}
		if status, answer := send(auth, path, body(id)); status != 200 || !strings.Contains(answer, `"Ann"`) || !strings.Contains(answer, id) || strings.Contains(answer, "pwcanary") {
			t.Errorf("%.6s: %d %s", auth, status, answer)
		}
	}
	for name, tt := range map[string]struct {
		auth, path, body string
		status           int
	}{
		"no event":        {byDSN, path, `{"comments":"a"}`, 400},
		"nothing said":    {byDSN, path, `{"event_id":"` + e + `","comments":" "}`, 400},
		"unknown field":   {byDSN, path, `{"event_id":"` + e + `","comments":"a","mood":"bad"}`, 400},
		"too long":        {byDSN, path, `{"event_id":"` + e + `","comments":"` + strings.Repeat("a", 4097) + `"}`, 400},
		"foreign project": {"DSN http://" + w.key + "@errors.example.org/2", path, body(e), 401},
		"unknown key":     {"DSN http://" + strings.Repeat("e", 32) + "@errors.example.org/1", path, body(e), 401},
		"no DSN":          {"DSN nonsense", path, body(e), 401},
		"no project":      {byDSN, "/api/0/projects/default/none/user-feedback/", body(e), 404},
		"no organization": {"Bearer " + w.token, "/api/0/projects/none/shop/user-feedback/", body(e), 404},
		"nobody":          {"", path, body(e), 401},
		"DSN elsewhere":   {byDSN, proj + "keys/", "{}", 401},
	} {
		if status, answer := send(tt.auth, tt.path, tt.body); status != tt.status {
			t.Errorf("%s: want %d, got %d %s", name, tt.status, status, answer)
		}
	}
	found, err := w.st.CheckLedger(t.Context(), noon.Add(-48*time.Hour), noon.Add(72*time.Hour))
	if err != nil || found.Received != 2 {
		t.Errorf("want two received and no difference of theirs, got %+v, %v", found, err)
	}
	for _, m := range found.Minutes {
		if m.Category.String() == "feedback" {
			t.Errorf("the ledger does not close: %+v", m)
		}
	}
}
