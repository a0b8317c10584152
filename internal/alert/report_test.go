package alert_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

func TestAReportIsDueOnceAWeek(t *testing.T) {
	t.Parallel()
	monday, err := alert.ParseReportTime("mon 08:00")
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[string]string{
		"2026-11-23T08:00:00Z": "2026-11-23T08:00:00Z", "2026-11-23T07:59:59Z": "2026-11-16T08:00:00Z", "2026-11-29T23:59:59Z": "2026-11-23T08:00:00Z",
		"2026-11-22T10:00:00+14:00": "2026-11-16T08:00:00Z", "2027-01-01T00:00:00Z": "2026-12-28T08:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := monday.Last(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: want %s, got %s", now, want, got)
		}
	}
	for _, bad := range []string{"", "Mon", "8:00", "Moon 08:00", "Mon 25:00", "Mon 08:00 UTC"} {
		if _, err := alert.ParseReportTime(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
