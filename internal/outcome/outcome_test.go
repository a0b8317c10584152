package outcome_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

func TestCategoryNamesAndNumbersAgree(t *testing.T) {
	t.Parallel()
	for c, name := range map[outcome.Category]string{
		outcome.Default: "default", outcome.Error: "error", outcome.Transaction: "transaction",
		outcome.Security: "security", outcome.Attachment: "attachment", outcome.Session: "session",
		outcome.Profile: "profile", outcome.Replay: "replay", outcome.Monitor: "monitor", outcome.Span: "span",
		outcome.Feedback: "feedback", outcome.MetricBucket: "metric_bucket", outcome.ProfileChunk: "profile_chunk",
		outcome.ReplayVideo: "replay_video", outcome.AttachmentItem: "attachment_item", outcome.LogItem: "log_item",
		outcome.LogByte: "log_byte", outcome.ProfileChunkUI: "profile_chunk_ui", outcome.TraceMetric: "trace_metric",
	} {
		if got := c.String(); got != name {
			t.Errorf("category %d: want %q, got %q", c, name, got)
		}
		if got, ok := outcome.ParseCategory(name); !ok || got != c {
			t.Errorf("parse %q: want %d, got %d %t", name, c, got, ok)
		}
	}
	if got, ok := outcome.ParseCategory("nonsense"); ok || got != outcome.UnknownItem || got.String() != "unknown" {
		t.Errorf("want unknown, got %v %t", got, ok)
	}
	if got, _ := outcome.ParseCategory("metric"); got != outcome.TraceMetric {
		t.Errorf("want the JavaScript name of trace metrics known, got %v", got)
	}
}

func TestClientsCannotInventReasons(t *testing.T) {
	t.Parallel()
	if got := outcome.ClientReason("before_send"); got != "before_send" {
		t.Errorf("want before_send, got %q", got)
	}
	if got := outcome.ClientReason("x-" + strconv.Itoa(7)); got != "other" {
		t.Errorf("want other, got %q", got)
	}
}

func TestTallySumsByMinuteAndEmptiesOnTake(t *testing.T) {
	t.Parallel()
	var tally outcome.Tally
	at := time.Date(2026, 11, 21, 9, 30, 12, 0, time.UTC)
	key := outcome.Key{Project: 1, Category: outcome.Error, Kind: outcome.Invalid, Reason: "cors", Minute: at}
	tally.Add(key, 2)
	key.Minute = at.Add(40 * time.Second)
	tally.Add(key, 3)
	tally.Add(key, 0)
	tally.Add(key, -4)
	key.Minute = at.Truncate(time.Minute)
	want := []outcome.Count{{Key: key, Quantity: 5}}
	got := tally.Take()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if again := tally.Take(); again != nil {
		t.Errorf("want nothing left, got %v", again)
	}
	tally.Return(got)
	if diff := cmp.Diff(want, tally.Take()); diff != "" {
		t.Errorf("returned counts (-want +got):\n%s", diff)
	}
}

func TestTallyIsBoundedAndLosesNoQuantity(t *testing.T) {
	t.Parallel()
	var tally outcome.Tally
	const n = 100000
	for i := range int64(n) {
		tally.Add(outcome.Key{Project: i, KeyID: i, Category: outcome.Error, Reason: strconv.FormatInt(i, 10)}, 1)
	}
	got := tally.Take()
	var sum int64
	for _, c := range got {
		sum += c.Quantity
	}
	if len(got) > 40001 || sum != n {
		t.Errorf("want at most 40001 keys and %d in all, got %d keys and %d", n, len(got), sum)
	}
}
