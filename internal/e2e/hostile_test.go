package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const gib = 1 << 30

// bomb is 1 GiB of blanks in the encoding that wrap writes.
func bomb(t *testing.T, wrap func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := wrap(&out)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range gib / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func envelope(event string) string {
	return fmt.Sprintf("{}\n{\"type\":\"event\",\"length\":%d}\n%s", len(event), event)
}

// TestBadInputGetsItsAnswerAndHarmsNothing sends what no SDK would, each answered within a second,
// and then an honest event that must be stored as if nothing had happened.
func TestBadInputGetsItsAnswerAndHarmsNothing(t *testing.T) {
	in := up(t)
	auth := "Sentry sentry_version=7, sentry_key=" + in.key()
	path := "/api/" + in.ProjectID + "/envelope/"
	store := "/api/" + in.ProjectID + "/store/"
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	var tags strings.Builder
	for i := range 80_000 { // as many as fit an event
		fmt.Fprintf(&tags, `"t%d":"v",`, i)
	}
	honest := envelope(`{"event_id":"` + eventID(99) + `","message":"honest"}`)
	cases := []struct {
		name, path, auth, encoding string
		body                       []byte
		want                       int
	}{
		{"no credentials", path, "", "", []byte(honest), 401},
		{"malformed auth", path, "Sentry sentry_version=seven", "", []byte(honest), 401},
		{"no key in auth", path, "Sentry sentry_version=7", "", []byte(honest), 401},
		{"key is not hex", path, "Sentry sentry_key=abc", "", []byte(honest), 400},
		{"unknown key", path, "Sentry sentry_key=00000000000000000000000000000000", "", []byte(honest), 403},
		{"wrong project", "/api/4242/envelope/", auth, "", []byte(honest), 403},
		{"project is no number", "/api/foo/envelope/", auth, "", []byte(honest), 400},
		{"empty body", path, auth, "", nil, 400},
		{"truncated envelope", path, auth, "", []byte("{}\n{\"type\":\"event\",\"length\":500}\n{}"), 400},
		{"lying length", path, auth, "", []byte("{}\n{\"type\":\"event\",\"length\":2}\n{}{}{}"), 400},
		{"negative length", path, auth, "", []byte("{}\n{\"type\":\"event\",\"length\":-1}\n{}"), 400},
		{"bad event id", path, auth, "", []byte(`{"event_id":"../../etc"}` + "\n"), 400},
		{"bad store JSON", store, auth, "", []byte(`{"message":`), 400},
		{"store neither JSON nor base64", store, auth, "", []byte(`hello there`), 400},
		{"garbage gzip", path, auth, "gzip", []byte("not gzip at all"), 400},
		{"unknown encoding", path, auth, "lzma", []byte(honest), 415},
		{"gzip bomb", path, auth, "gzip", bomb(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 1) }), 413},
		{"deflate bomb", path, auth, "deflate", bomb(t, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriterLevel(w, 1) }), 413},
		{"brotli bomb", path, auth, "br", bomb(t, func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriterLevel(w, 1), nil }), 413},
		{"zstd bomb", path, auth, "zstd", bomb(t, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) }), 413},
		{"10,000 levels", path, auth, "", []byte(envelope(`{"message":"deep","extra":` + deep + `}`)), 200},
		{"80,000 tags", path, auth, "", []byte(envelope(`{"message":"tags","tags":{` + tags.String() + `"z":"z"}}`)), 200},
		{"NUL and broken UTF-8", path, auth, "", []byte(envelope("{\"message\":\"nul \\u0000 lone \\ud800 bad \xff\xfe\",\"tags\":{\"a\\u0000b\":\"c\\u0000\"}}")), 200},
		{"payload is not JSON", path, auth, "", []byte(envelope(`this is not JSON`)), 200},
	}
	// What is loaded with the first event, such as the tables of user agents, is no harm done.
	first := strings.Replace(plainEvent, `"message"`, `"request":{"headers":{"User-Agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}},"message"`, 1)
	if status, err := in.send(t.Context(), eventID(1), first); err != nil || status != http.StatusOK {
		t.Fatalf("first event: %d %v", status, err)
	}
	in.wantOneIssue(t, 1)
	before := rss(t, in)
	for _, c := range cases {
		began := time.Now()
		headers := []string{}
		if c.auth != "" {
			headers = append(headers, "X-Sentry-Auth", c.auth)
		}
		if c.encoding != "" {
			headers = append(headers, "Content-Encoding", c.encoding)
		}
		status, body, err := fetch(t.Context(), http.MethodPost, in.ingestURL()+c.path, "", c.body, headers...)
		took := time.Since(began)
		if err != nil || status != c.want {
			t.Errorf("%s: want %d, got %d %s %v", c.name, c.want, status, tail(string(body), 200), err)
		}
		if status >= 400 && !bytes.Contains(body, []byte(`"detail"`)) {
			t.Errorf("%s: the answer has no detail: %s", c.name, body)
		}
		t.Logf("%-30s %d in %s", c.name, status, took.Round(time.Millisecond))
	}
	if grown := rss(t, in) - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	// A body without an encoding is held whole, within the limit on all bodies together.
	huge := []byte(envelope(`{"message":"` + strings.Repeat("x", 30<<20) + `"}`))
	if status, body, err := fetch(t.Context(), http.MethodPost, in.ingestURL()+path, "", huge, "X-Sentry-Auth", auth); err != nil || status != 413 {
		t.Errorf("30 MB event: %d %s %v", status, body, err)
	}
	if status, _, err := fetch(t.Context(), http.MethodPost, in.ingestURL()+path, "", []byte(honest), "X-Sentry-Auth", auth); err != nil || status != 200 {
		t.Fatalf("honest event: %d %v", status, err)
	}
	// The three odd but readable events and the two honest ones are issues; what was refused has outcomes.
	in.await("five issues", 30*time.Second, func(ctx context.Context) error {
		rows, err := in.issues(ctx, "")
		if err == nil && len(rows) != 5 {
			err = fmt.Errorf("%d issues: %+v", len(rows), rows)
		}
		return err
	})
	in.await("outcomes of what was refused", 30*time.Second, func(ctx context.Context) error {
		var stats struct {
			Groups []struct {
				By     map[string]any
				Totals map[string]int
			}
		}
		if err := in.api(ctx, "organizations/"+in.Organization+"/stats_v2/?field=sum(quantity)&groupBy=outcome&groupBy=reason&statsPeriod=1d&interval=1h", &stats); err != nil {
			return err
		}
		invalid := 0
		for _, g := range stats.Groups {
			if g.By["outcome"] == "invalid" {
				invalid += g.Totals["sum(quantity)"]
			}
		}
		if invalid < 10 {
			return fmt.Errorf("only %d invalid outcomes: %+v", invalid, stats.Groups)
		}
		return nil
	})
}

// rss is the resident memory of the program in bytes.
func rss(t *testing.T, in *instance) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", in.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
