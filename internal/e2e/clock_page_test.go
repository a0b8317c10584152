package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tellTime reads the same moments in three zones, one with a change of its clocks between two events,
// and an event that says another time than that of its arrival.
func (s *showcase) tellTime(t *testing.T) {
	zone, before, after := "Europe/Berlin", "02:30:00 CEST", "02:30:00 CET"
	change := lastSunday(time.Now().UTC())
	send := func(n int, at time.Time, sent time.Time) string {
		id := eventID(n)
		body := fmt.Sprintf(`{"event_id":%q,"timestamp":%d,"platform":"go","fingerprint":["time-%d"],"exception":{"values":[{"type":"ClockError","value":"tick %d"}]}}`, id, at.Unix(), n, n)
		text := fmt.Sprintf("{\"event_id\":%q,\"sent_at\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, sent.Format(time.RFC3339), len(body), body)
		status, answer, err := fetch(t.Context(), http.MethodPost, s.URL+"/api/1/envelope/?sentry_key="+s.key(), "", []byte(text))
		if err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %s %v", status, answer, err)
		}
		return id
	}
	now := time.Now().UTC()
	summer, winter := send(700, change.Add(-30*time.Minute), now), send(701, change.Add(30*time.Minute), now)
	skewed := send(702, now.Add(-3*time.Hour), now)
	in := func(zone, id string) string {
		t.Helper()
		s.post("/account", "theme", "", "density", "", "zone", zone)
		var body string
		s.await("the event", time.Minute, func(context.Context) error {
			res, page := s.get("/o/default/e/" + id)
			if res.StatusCode != http.StatusSeeOther {
				return fmt.Errorf("%d %.200s", res.StatusCode, page)
			}
			_, body = s.get(res.Header.Get("Location"))
			return nil
		})
		return body
	}
	for _, c := range []struct{ zone, event, want string }{
		{"UTC", summer, change.Add(-30*time.Minute).Format("2006-01-02 15:04:05") + " UTC"},
		{"Asia/Kathmandu", summer, change.Add(-30*time.Minute+5*time.Hour+45*time.Minute).Format("2006-01-02 15:04:05") + " +0545"},
		{zone, summer, before}, {zone, winter, after},
	} {
		if body := in(c.zone, c.event); !strings.Contains(body, c.want) {
			t.Errorf("%s: the event does not say %s", c.zone, c.want)
		}
	}
	if body := in("UTC", skewed); !strings.Contains(body, "(clock −3.0 h off)") {
		_, note, _ := strings.Cut(body, `class="when"`)
		t.Errorf("nothing is said about an event that is 3 h older than its arrival: %.600s", note)
	}
}

// lastSunday is when clocks in Central Europe were set back last, at 01:00 UTC of the last Sunday of October.
func lastSunday(now time.Time) time.Time {
	for year := now.Year(); ; year-- {
		day := time.Date(year, time.October, 31, 1, 0, 0, 0, time.UTC)
		if day = day.AddDate(0, 0, -int(day.Weekday())); day.Before(now) {
			return day
		}
	}
}
