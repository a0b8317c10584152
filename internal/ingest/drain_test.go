package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const (
	vercelPath = "/api/1/integration/vercel/logs"
	herokuPath = "/api/1/integration/heroku/logs/"
	twoLines   = "83 <40>1 2012-11-30T06:45:29+00:00 host app web.3 - State changed from starting to up\n" +
		"73 <43>1 2012-11-30T06:45:26Z host app web.1 - Error R14 (memory, exceeded)\n"
)

func TestLogDrainsAreCounted(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	h := s.routes()
	for name, tt := range map[string]struct {
		path, kind, body string
		status           int
		logs, invalid    int64
		large            int64
	}{
		"vercel":        {vercelPath, "application/json", `[{"message":"a","timestamp":1573817187330,"level":"error","source":"lambda"},{"message":"b"}]`, 202, 2, 0, 0},
		"vercel lines":  {vercelPath + "/", "application/x-ndjson", "{\"message\":\"a\"}\n\n{\"message\":\"b\",\"level\":\"warning\"}\n", 202, 2, 0, 0},
		"vercel broken": {vercelPath, "application/json", `[{"message":`, 400, 0, 1, 0},
		"heroku":        {herokuPath, "application/logplex-1", twoLines, 202, 2, 0, 0},
		"heroku lies":   {herokuPath, "application/logplex-1", "9999 <40>1 x", 400, 0, 1, 0},
		"vercel open":   {vercelPath, "application/json", `[{"message":"a"}`, 400, 0, 1, 0},
		"vercel twice":  {vercelPath, "application/json", `[{"message":"a"}] {}`, 400, 0, 1, 0},
		"vercel flood":  {vercelPath, "application/json", "[{}" + strings.Repeat(",{}", maxDrained+6) + "]", 202, maxDrained, 0, 7},
		"heroku flood":  {herokuPath, "application/logplex-1", strings.Repeat(twoLines, maxDrained/2+1), 202, maxDrained, 0, 2},
		"over 12 MiB":   {vercelPath, "application/json", `[{"message":"` + strings.Repeat("<", 3<<20) + `"}]`, 202, 0, 0, 1}, // six bytes each once written
		"heroku no log": {herokuPath, "application/logplex-1", "3 abc", 400, 0, 1, 0},
	} {
		r := post(h, tt.path, auth, tt.body)
		counts := s.counts()
		logs, invalid := sumOf(counts, outcome.LogItem, outcome.Filtered, "not_stored"), sumOf(counts, outcome.LogItem, outcome.Invalid, "invalid_log")
		large := sumOf(counts, outcome.LogItem, outcome.Invalid, "too_large:log")
		if r.Code != tt.status || logs != tt.logs || invalid != tt.invalid || large != tt.large {
			t.Errorf("%s: want %d, %d, %d and %d, got %d, %d, %d and %d: %s", name, tt.status, tt.logs, tt.invalid, tt.large, r.Code, logs, invalid, large, r.Body)
		}
	}
	if w := post(h, vercelPath, "", "[]"); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", w.Code)
	}
}

func TestLinesOfSyslogAreRead(t *testing.T) {
	t.Parallel()
	got, err := readHeroku([]byte(twoLines))
	if got.more != 0 {
		t.Errorf("%d lines too many", got.more)
	}
	want := []drained{
		{at: time.Date(2012, 11, 30, 6, 45, 29, 0, time.UTC), level: "fatal", body: "State changed from starting to up",
			attributes: map[string]string{"server.address": "host", "heroku.app": "app", "heroku.process": "web.3", "sentry.origin": "auto.log_drain.heroku"}},
		{at: time.Date(2012, 11, 30, 6, 45, 26, 0, time.UTC), level: "error", body: "Error R14 (memory, exceeded)",
			attributes: map[string]string{"server.address": "host", "heroku.app": "app", "heroku.process": "web.1", "sentry.origin": "auto.log_drain.heroku"}},
	}
	if diff := cmp.Diff(want, got.lines, cmp.AllowUnexported(drained{}), cmp.Transformer("utc", time.Time.UTC)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzDrain: what is read of a delivery makes a container that is sound.
func FuzzDrain(f *testing.F) {
	f.Add([]byte(twoLines))
	f.Add([]byte(`[{"message":"a","timestamp":1573817187330,"traceId":"x"}]`))
	f.Add([]byte("{\"message\":\"a\"}\n{\"level\":\"warning\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) (delivery, error){readVercel, readHeroku} {
			d, err := read(body)
			if err != nil || len(d.lines) == 0 {
				continue
			}
			lines := d.lines
			it := drainItem(lines, time.Now())
			if v := logContainer.check(nil, nil, &it); it.Count > 0 && (v.whole || v.bad > 0) {
				t.Errorf("%d lines make a bad container: %+v %.200s", len(lines), v, it.Payload)
			}
		}
	})
}
