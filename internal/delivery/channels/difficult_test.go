package channels_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

// receive is a service that answers with answer; got counts its requests.
func receive(t *testing.T, answer http.HandlerFunc) (url string, got *atomic.Int64) {
	t.Helper()
	got = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

// each runs f for every form of every channel that posts over HTTP, with a message that it rendered.
func each(t *testing.T, f func(t *testing.T, k *kind, j *alert.Job)) {
	t.Helper()
	for _, k := range kinds() {
		if k.http() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				payload, err := k.open(t, outbound.Options{}, nil).Render(notice(), k.settings("https://chat.example"+hook))
				if err != nil {
					t.Fatal(err)
				}
				f(t, &k, job(payload))
			})
		}
	}
}

func TestGoodAnswersAreDelivered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k *kind, j *alert.Job) {
		url, got := receive(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, k.ok) })
		a := k.open(t, outbound.Options{AllowPrivate: loopback}, nil).Send(t.Context(), j, k.settings(url))
		if a.Error != "" || a.Status != 200 || got.Load() != 1 {
			t.Errorf("got %+v after %d requests", a, got.Load())
		}
	})
}

// TestPrivateAddressesAreNeverDialled: the metadata service, loopback in its spellings, and a name
// that was public when it was looked up before.
func TestPrivateAddressesAreNeverDialled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k *kind, j *alert.Job) {
		trap, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer trap.Close()
		var dialled atomic.Int64
		go func() {
			for {
				c, err := trap.Accept()
				if err != nil {
					return
				}
				dialled.Add(1)
				c.Close()
			}
		}()
		_, port, _ := net.SplitHostPort(trap.Addr().String())
		names := rebound(t)
		if before, err := names.LookupNetIP(t.Context(), "ip4", "hooks.evil.example"); err != nil || len(before) != 1 || !outbound.IsPublic(before[0]) {
			t.Fatalf("want the name public at first, got %v, %v", before, err)
		}
		ch := k.open(t, outbound.Options{Resolver: names}, nil)
		for _, url := range []string{"http://169.254.169.254", "http://hooks.evil.example:" + port, "http://127.0.0.1:" + port, "http://[::1]:" + port, "http://10.0.0.1", "http://100.100.100.200", "http://[fd00:ec2::254]"} {
			if a := ch.Send(t.Context(), j, k.settings(url)); !a.Final || a.Status != 0 || !strings.Contains(a.Error, "not public") {
				t.Errorf("%s: got %+v", url, a)
			}
		}
		if n := dialled.Load(); n != 0 {
			t.Errorf("%d connections reached loopback", n)
		}
	})
}

// TestDifficultServices: each of them fails in words, in time, and without what must not show.
func TestDifficultServices(t *testing.T) {
	t.Parallel()
	trap, trapped := receive(t, func(http.ResponseWriter, *http.Request) {})
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   func(a *alert.Answer) bool
	}{
		"302 to the metadata service": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
		},
			func(a *alert.Answer) bool {
				return a.Status == 302 && strings.Contains(a.Error, "redirects are not followed") && !a.Final
			}},
		"307 elsewhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, trap, http.StatusTemporaryRedirect) },
			func(a *alert.Answer) bool { return a.Status == 307 && a.Error != "" }},
		"410": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
			func(a *alert.Answer) bool { return a.Status == 410 && a.Final && a.Gone }},
		"429 with Retry-After": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
		}, func(a *alert.Answer) bool { return a.Status == 429 && a.RetryAfter == 90*time.Second && !a.Final }},
		"500 without end": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 8192)); err != nil {
					return
				}
			}
		}, func(a *alert.Answer) bool { return a.Status == 500 && len(a.Response) <= 1024 }},
		"a secret in the answer": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, r.URL.RequestURI(), r.Header)
		}, func(a *alert.Answer) bool { return a.Status == 500 }},
		"silence": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		}, func(a *alert.Answer) bool { return a.Status == 0 && a.Error == "no answer came in time" && !a.Final }},
		"a drop a second": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.WriteHeader(http.StatusBadGateway)
			for range 50 {
				_, _ = io.WriteString(w, ".")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		}, func(a *alert.Answer) bool { return a.Status == 502 && a.Error != "" && !a.Final }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, k *kind, j *alert.Job) {
				url, _ := receive(t, c.answer)
				limit := 10 * time.Second
				switch name {
				case "silence":
					limit = 200 * time.Millisecond
				case "a drop a second":
					limit = time.Second
				}
				a := k.open(t, outbound.Options{AllowPrivate: loopback, Timeout: limit}, nil).Send(t.Context(), j, k.settings(url))
				if a.Error == "" || !c.want(&a) {
					t.Errorf("got %+v", a)
				}
				if k.secret != "" && strings.Contains(a.Error+a.Response, k.secret) {
					t.Errorf("the secret shows: %+v", a)
				}
			})
		})
	}
	t.Cleanup(func() {
		if trapped.Load() != 0 {
			t.Errorf("a redirect was followed")
		}
	})
}

func TestAnExpiredCertificateIsRefused(t *testing.T) {
	t.Parallel()
	cert, _, err := smtpsink.Certificate(time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var got atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	each(t, func(t *testing.T, k *kind, j *alert.Job) {
		a := k.open(t, outbound.Options{AllowPrivate: loopback}, nil).Send(t.Context(), j, k.settings(srv.URL))
		if a.Status != 0 || !strings.Contains(a.Error, "certificate is not valid") || a.Final || got.Load() != 0 {
			t.Errorf("got %+v", a)
		}
	})
}

// signed is one request as a receiver got it, for an independent verifier.
type signed struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// TestSignaturesVerifyIndependently: Node's crypto, written from the documents, and OpenSSL agree,
// and neither accepts a body that was changed.
func TestSignaturesVerifyIndependently(t *testing.T) {
	t.Parallel()
	var requests []signed
	var want strings.Builder
	for _, k := range kinds() {
		if k.channel != alert.ChannelWebhook {
			continue
		}
		for _, name := range []string{"calls", "headers", "html", "links", "unicode"} {
			for form, n := range map[string]*alert.Notice{"alert": hostile(hostiles[name]), "digest": hostileDigest(hostiles[name])} {
				r := k.signed(t, n, name+" "+form)
				requests = append(requests, r)
				fmt.Fprintln(&want, r.Name+": verified")
				if name == "calls" && form == "alert" {
					opensslAgrees(t, &r)
				}
				r.Name, r.Body = r.Name+" changed", strings.Replace(r.Body, "tocsin.example", "evil.example", 1)
				requests = append(requests, r)
				fmt.Fprintln(&want, r.Name+": Sentry-Hook-Signature does not verify")
			}
		}
	}
	in, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "testdata/verify.mjs")
	node.Stdin = bytes.NewReader(in)
	out, err := node.CombinedOutput()
	if diff := cmp.Diff(want.String(), string(out)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// signed sends a message to a receiver of its own and returns what arrived there.
func (k *kind) signed(t *testing.T, n *alert.Notice, name string) signed {
	t.Helper()
	payload, err := k.open(t, outbound.Options{}, nil).Render(n, k.settings("https://chat.example"))
	if err != nil {
		t.Fatal(err)
	}
	r := signed{Name: k.name + " " + name, Secret: k.secret, Headers: map[string]string{}}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		for name := range req.Header {
			r.Headers[strings.ToLower(name)] = req.Header.Get(name)
		}
		r.Body = string(body)
	}))
	defer srv.Close()
	if a := k.open(t, outbound.Options{AllowPrivate: loopback}, nil).Send(t.Context(), job(payload), k.settings(srv.URL)); a.Error != "" {
		t.Fatalf("%s: %+v", r.Name, a)
	}
	return r
}

// opensslAgrees computes Sentry-Hook-Signature with OpenSSL.
func opensslAgrees(t *testing.T, r *signed) {
	t.Helper()
	file := t.TempDir() + "/body"
	if err := os.WriteFile(file, []byte(r.Body), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-hmac", r.Secret, "-r", file).Output()
	if sum, _, _ := strings.Cut(string(out), " "); err != nil || sum != r.Headers["sentry-hook-signature"] {
		t.Errorf("OpenSSL says %q, %v; the header %q", out, err, r.Headers["sentry-hook-signature"])
	}
}

// TestMailGoesThroughARelay: STARTTLS where it is offered, greylisting and refusals judged, and what
// arrives is what was rendered.
func TestMailGoesThroughARelay(t *testing.T) {
	t.Parallel()
	k := kinds()[0]
	payload, err := k.open(t, outbound.Options{}, relayTo(t, "smtp://127.0.0.1:1")).Render(hostile("a line\n.\nRSET\n"+hostiles["headers"]), k.settings(""))
	if err != nil {
		t.Fatal(err)
	}
	cut, _, err := smtpsink.Certificate(time.Now().Add(time.Hour)) // of an authority nobody trusts
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert   *tls.Certificate
		query  string
		refuse func(string, int) *smtp.SMTPError
		want   []func(a *alert.Answer) bool
		tls    bool
	}{
		"STARTTLS":           {cert: &certificate, want: []func(*alert.Answer) bool{sent}, tls: true},
		"STARTTLS required":  {cert: &certificate, query: "?tls=required", want: []func(*alert.Answer) bool{sent}, tls: true},
		"no STARTTLS":        {want: []func(*alert.Answer) bool{sent}},
		"none, but required": {query: "?tls=required", want: []func(*alert.Answer) bool{fails(0, false)}},
		"an unknown issuer":  {cert: &cut, query: "?tls=required", want: []func(*alert.Answer) bool{fails(0, false)}},
		"greylisting":        {cert: &certificate, refuse: smtpsink.Greylisted, want: []func(*alert.Answer) bool{fails(451, false), sent}, tls: true},
		"550":                {cert: &certificate, refuse: smtpsink.Unknown, want: []func(*alert.Answer) bool{fails(550, true)}},
	} {
		sink := smtpsink.New(t, c.cert)
		sink.Refuse = c.refuse
		ch := k.open(t, outbound.Options{}, relayTo(t, sink.URL()+c.query))
		for i, want := range c.want {
			if a := ch.Send(t.Context(), job(payload), k.settings("")); !want(&a) {
				t.Errorf("%s, try %d: got %+v", name, i+1, a)
			}
		}
		wanted := 0
		if slices.ContainsFunc(c.want, func(f func(*alert.Answer) bool) bool { return f(&alert.Answer{Status: 250}) }) {
			wanted = 1
		}
		mails := sink.Mails()
		if len(mails) != wanted {
			t.Errorf("%s: want %d mails, got %d", name, wanted, len(mails))
		}
		for _, m := range mails {
			if m.TLS != c.tls || m.From != "tocsin@tocsin.example" || !slices.Equal(m.To, []string{"ops@example.com"}) || !bytes.Equal(bytes.TrimRight(m.Data, "\r\n"), bytes.TrimRight(payload, "\r\n")) {
				t.Errorf("%s: from %s to %v, encrypted %v, %d of %d bytes", name, m.From, m.To, m.TLS, len(m.Data), len(payload))
			}
		}
	}
}

func sent(a *alert.Answer) bool { return a.Error == "" && a.Status == 250 }

func fails(status int, final bool) func(*alert.Answer) bool {
	return func(a *alert.Answer) bool { return a.Error != "" && a.Status == status && a.Final == final }
}
