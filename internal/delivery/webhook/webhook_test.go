package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newChannel(t testing.TB, o outbound.Options) *webhook.Channel {
	t.Helper()
	if o.AllowPrivate == nil {
		o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	client := outbound.New(o)
	t.Cleanup(client.Close)
	return webhook.New(&delivery.Poster{Client: client, Agent: "Tocsin/1.2.3"})
}

func notice() *alert.Notice {
	at := time.Date(2026, 11, 21, 10, 0, 0, 123456789, time.UTC)
	return &alert.Notice{
		Delivery: 1234567890123456789, BaseURL: "https://tocsin.example",
		Rule: alert.Rule{ID: 55, Name: "New & back <again>"},
		Change: issue.Change{
			ID: 99, Kind: issue.ChangeRegressed, Project: 1, ProjectSlug: "checkout", ProjectName: "Checkout", Org: "default",
			Issue: 4611686018427387905, ShortID: "CHECKOUT-1F", Title: "TypeError: a < b && \"c\"\nnext\u2028 größe 🙂", Culprit: "pay.submit",
			Type: "error", Level: "error", Platform: "javascript", Release: "shop@2.0.1", Environment: "production",
			EventID: "0123456789abcdef0123456789abcdef", FirstSeen: at.Add(-time.Hour), TimesSeen: 42, At: at,
		},
	}
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	bare := notice()
	bare.Change.Release, bare.Change.Environment, bare.Change.Project, bare.Kind = "", "", 4611686018427387999, alert.NoticeTest
	digest := notice()
	digest.Kind, digest.Digest = alert.NoticeDigest, &alert.Digest{Alerts: 40, Total: 12, From: digest.Change.At.Add(-time.Hour), To: digest.Change.At,
		Issues: []alert.DigestIssue{{ShortID: "CHECKOUT-2", Title: "Boom", Level: "error", Change: issue.ChangeNew, Alerts: 3, TimesSeen: 9, UserCount: 2}}}
	for name, c := range map[string]struct {
		n      *alert.Notice
		format string
	}{"full": {notice(), ""}, "bare": {bare, ""}, "digest": {digest, ""}, "issue": {notice(), webhook.FormatIssue}, "legacy": {notice(), webhook.FormatLegacy}, "tocsin": {notice(), webhook.FormatTocsin}} {
		got, err := newChannel(t, outbound.Options{}).Render(c.n, delivery.Settings{"format": c.format})
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".json"
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if diff := cmp.Diff(string(want), string(got)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// What is sent prints the same after a receiver parsed it, which is how many check a signature.
func TestRenderedTextHasNoEscapesThatReceiversWouldUndo(t *testing.T) {
	t.Parallel()
	n := notice()
	n.Change.Title = "<script>&amp; \u2028\u2029 \x00\x01\x1f\x7f bad\xff 日本 🙂 " + strings.Repeat("é", 4000)
	got, err := newChannel(t, outbound.Options{}).Render(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexByte(got, '\\'); i >= 0 {
		t.Errorf("an escape at %d: %.40q", i, got[i:])
	}
	if !utf8.Valid(got) || !json.Valid(got) || bytes.ContainsAny(got, "\n\u2028") || len(got) > 32<<10 {
		t.Errorf("want one short line of valid JSON, got %d bytes", len(got))
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := delivery.Settings{"url": "https://hooks.example/services/T0/canary-path?token=canary", "secret": "canary-secret-0001"}
	_, target, err := webhook.Spec.Read(good, nil)
	if err != nil || target != "https://hooks.example" {
		t.Errorf("got %q, %v", target, err)
	}
	for _, bad := range []delivery.Settings{
		{"url": "ftp://hooks.example"}, {"url": "https://user:canary@hooks.example"}, {"url": "https://hooks.example\x7f/canary"}, {"url": ""},
		{"url": "https://hooks.example", "secret": "short"}, {"url": "https://hooks.example", "secret": strings.Repeat("s", 257)},
		{"url": "https://hooks.example", "secret": "whsec_not base64 canary"}, {"url": "https://hooks.example", "old_secret": "canary"},
		{"url": "https://hooks.example", "moon": "full"}, {"url": "https://hooks.example", "format": "xml"},
	} {
		if _, _, err := webhook.Spec.Read(bad, nil); fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: want fault.Invalid without secrets, got %v", bad["url"], err)
		}
	}
}

type received struct {
	header http.Header
	body   []byte
}

// receiver answers every request with answer and keeps what it got.
func receiver(t testing.TB, answer http.HandlerFunc) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header, body}
		answer(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func job() *alert.Job {
	return &alert.Job{Delivery: alert.Delivery{ID: 77, Project: 1, Channel: alert.ChannelWebhook}, Payload: []byte(`{"a":"<é>"}`)}
}

func to(url string) delivery.Settings {
	return delivery.Settings{"url": url, "secret": webhook.NewSecret().Reveal()}
}

// The signatures are computed here from the documents that define them, not by the package.
func TestSignaturesVerify(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	newKeyBytes, oldText := bytes.Repeat([]byte{9}, 24), "an older plain secret"
	secret := "whsec_" + base64.StdEncoding.EncodeToString(newKeyBytes)
	j, settings := job(), delivery.Settings{"url": url + "/hook?x=1", "secret": secret, "old_secret": oldText}
	c := newChannel(t, outbound.Options{})
	before := time.Now().Unix()
	for range 2 {
		if a := c.Send(t.Context(), j, settings); a.Error != "" || a.Status != http.StatusNoContent {
			t.Fatalf("got %+v", a)
		}
	}
	first, second := <-got, <-got
	h := first.header
	if string(first.body) != string(j.Payload) || string(second.body) != string(j.Payload) {
		t.Errorf("want the payload's bytes, got %q and %q", first.body, second.body)
	}
	sentry := hmac.New(sha256.New, []byte(secret))
	sentry.Write(first.body)
	if want := hex.EncodeToString(sentry.Sum(nil)); h.Get("Sentry-Hook-Signature") != want {
		t.Errorf("Sentry-Hook-Signature: want %s, got %s", want, h.Get("Sentry-Hook-Signature"))
	}
	var want []string
	for _, key := range [][]byte{newKeyBytes, []byte(oldText)} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte("msg_77." + h.Get("webhook-timestamp") + "." + string(first.body)))
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
	}
	if diff := cmp.Diff(strings.Join(want, " "), h.Get("webhook-signature")); diff != "" {
		t.Errorf("webhook-signature (-want +got):\n%s", diff)
	}
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || at < before || at > time.Now().Unix() || h.Get("Sentry-Hook-Timestamp") != h.Get("webhook-timestamp") {
		t.Errorf("timestamps: %q, %q", h.Get("webhook-timestamp"), h.Get("Sentry-Hook-Timestamp"))
	}
	if h.Get("webhook-id") != "msg_77" || second.header.Get("webhook-id") != "msg_77" {
		t.Errorf("want the same webhook-id, got %q and %q", h.Get("webhook-id"), second.header.Get("webhook-id"))
	}
	if id := h.Get("Request-ID"); len(id) != 32 || id == second.header.Get("Request-ID") {
		t.Errorf("want a fresh Request-ID each time, got %q", id)
	}
	if h.Get("Sentry-Hook-Resource") != "event_alert" || h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "Tocsin/1.2.3" {
		t.Errorf("headers: %v", h)
	}
}

func TestEveryStatusIsJudged(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		w.Header().Set("Retry-After", "120")
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(status)
	})
	c := newChannel(t, outbound.Options{})
	for status := 200; status < 600; status++ {
		a := c.Send(t.Context(), job(), to(url+"/?status="+strconv.Itoa(status)))
		<-got
		ok := status < 300
		if a.Status != status || (a.Error == "") != ok || a.Final != (status == 410) || a.Cut || (a.RetryAfter == 2*time.Minute) == ok {
			t.Errorf("%d: got %+v", status, a)
		}
		if redirect := status >= 300 && status < 400; redirect != strings.Contains(a.Error, "redirects are not followed") {
			t.Errorf("%d: got %q", status, a.Error)
		}
	}
}

func TestAnswersAreKeptShortAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	url, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "no route "+r.URL.RequestURI()+" or "+r.URL.Query().Get("token")+" \x00\xff ")
		_, _ = io.WriteString(w, strings.Repeat("é", 100<<10))
	})
	a := newChannel(t, outbound.Options{}).Send(t.Context(), job(), delivery.Settings{"url": url + "/services/canary-path?token=canary-token", "secret": "canary-secret-0001"})
	if a.Status != 404 || len(a.Response) > 1024 || len(a.Response) < 1000 || !utf8.ValidString(a.Response) || strings.ContainsRune(a.Response, 0) {
		t.Errorf("got status %d and %d bytes", a.Status, len(a.Response))
	}
	if strings.Contains(a.Response+a.Error, "canary") || !strings.Contains(a.Response, "[redacted]") {
		t.Errorf("a secret shows: %q %.80q", a.Error, a.Response)
	}
}

func TestFailuresWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	silent, got := receiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := newChannel(t, outbound.Options{Timeout: 200 * time.Millisecond})
	a := c.Send(t.Context(), job(), to(silent+"/canary"))
	if a.Error != "no answer came in time" || a.Final || a.Cut {
		t.Errorf("silent: got %+v", a)
	}
	<-got
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	a = newChannel(t, outbound.Options{}).Send(ctx, job(), to(silent))
	if !a.Cut || a.Final || a.Error == "" {
		t.Errorf("cut off: got %+v", a)
	}
	none := newChannel(t, outbound.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if a = none.Send(t.Context(), job(), to(silent)); !a.Final || !strings.Contains(a.Error, "not public") {
		t.Errorf("not allowed: got %+v", a)
	}
}
