package view

import (
	"testing"
	"time"
)

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"now": 59 * time.Second, "1 min": time.Minute, "59 min": time.Hour - 1, "47 h": 47*time.Hour + 59*time.Minute,
		"2 d": 48 * time.Hour, "3 mo": 100 * 24 * time.Hour, "2 y": 800 * 24 * time.Hour, "in the future": -2 * time.Minute,
	} {
		if got := Ago(now, now.Add(-d)); got != want {
			t.Errorf("%s before: want %q, got %q", d, want, got)
		}
	}
	if got := Ago(now, time.Time{}); got != "never" {
		t.Errorf("zero time: %q", got)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64][2]string{
		0: {"0", "0"}, 999: {"999", "999"}, 1000: {"1.0k", "1,000"}, 12_431: {"12.4k", "12,431"}, 99_999: {"99.9k", "99,999"},
		999_999: {"999k", "999,999"}, 3_100_000: {"3.1M", "3,100,000"}, 123_456_789: {"123M", "123,456,789"},
	} {
		if short, long := Short(n), Long(n); short != want[0] || long != want[1] {
			t.Errorf("%d: want %v, got %q %q", n, want, short, long)
		}
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"0 s": 0, "−250 ms": -250 * time.Millisecond, "−3.2 s": -3200 * time.Millisecond, "+1 min 5 s": 65 * time.Second, "−2.0 h": -2 * time.Hour,
	} {
		if got := offset(end, end.Add(d)); got != want {
			t.Errorf("%s: want %q, got %q", d, want, got)
		}
	}
}

func TestTimesAreInTheReadersZone(t *testing.T) {
	t.Parallel()
	kathmandu, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC)
	if got := (Look{Zone: kathmandu}).exact(at); got != "2026-10-25 06:44:59 +0545" {
		t.Errorf("Kathmandu: %s", got)
	}
	if got := (Look{}).exact(at); got != "2026-10-25 00:59:59 UTC" {
		t.Errorf("default: %s", got)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count, total int64
		percent      int
		words        string
	}{{0, 0, 0, "0 %"}, {1, 1000, 1, "<1 %"}, {999, 1000, 99, "99 %"}, {5, 10, 50, "50 %"}, {10, 10, 100, "100 %"}, {12, 10, 100, "120 %"}} {
		if s := NewShare("x", "", c.count, c.total); s.Percent != c.percent || s.Words != c.words {
			t.Errorf("%d of %d: %d, %s", c.count, c.total, s.Percent, s.Words)
		}
	}
}
