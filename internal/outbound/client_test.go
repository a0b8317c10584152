package outbound_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func send(t *testing.T, c *outbound.Client, method, url string) (outbound.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func newClient(t *testing.T, o outbound.Options) *outbound.Client {
	t.Helper()
	c := outbound.New(o)
	t.Cleanup(c.Close)
	return c
}

// refused lists addresses in many spellings; none may be reached.
var refused = []string{
	"http://127.0.0.1/", "http://127.0.0.1:80/", "https://127.0.0.1/", "http://127.1/", "http://127.0.1/",
	"http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0x7f.0.0.1/", "http://0x7f.1/",
	"http://0177.0.0.1/", "http://127.0.0.0x1/", "http://127.255.255.254/", "http://0/", "http://0.0.0.0/", "http://0x0/",
	"http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://loop.example/", "http://LOOP.example./",
	"http://10.0.0.1/", "http://10.255.255.255/", "http://0x0a000001/", "http://172.16.0.1/", "http://172.31.255.255/",
	"http://192.168.0.1/", "http://192.168.1.1:443/", "http://3232235777/", "http://100.64.0.1/", "http://100.100.100.200/",
	"http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
	"http://metadata.example/", "http://168.63.129.16/", "http://192.0.0.192/", "http://192.0.2.1/", "http://192.88.99.1/",
	"http://198.18.0.1/", "http://198.19.255.255/", "http://198.51.100.1/", "http://203.0.113.1/", "http://224.0.0.1/",
	"http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/",
	"http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::127.0.0.1]/", "http://[::ffff:127.0.0.1]/",
	"http://[::ffff:7f00:1]/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:8.8.8.8]/", "http://[64:ff9b::7f00:1]/",
	"http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::1]/",
	"http://[2001::1]/", "http://[2001:0:7f00:1::]/", "http://[2001:db8::1]/", "http://[2001:2::1]/", "http://[2001:10::1]/",
	"http://[3fff::1]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[fe80::1]/", "http://[fe80::1%25lo]/",
	"http://[fec0::1]/", "http://[ff02::1]/", "http://[100::1]/", "http://[5f00::1]/", "http://[4000::1]/", "http://v6.example/",
	"http://nat64.example/", "http://absent.example/",
	"http://8.8.8.8:22/", "https://8.8.8.8:8080/", "http://[2001:4860:4860::8888]:6379/",
	"http://user@8.8.8.8/", "http://user:secret@8.8.8.8/", "http://8.8.8.8@127.0.0.1/",
	"ftp://8.8.8.8/", "gopher://8.8.8.8/", "file:///etc/passwd", "unix:///var/run/docker.sock", "http:///path", "http:8.8.8.8",
	"//8.8.8.8/",
}

func TestNoSpellingReachesAnAddressThatIsNotPublic(t *testing.T) {
	t.Parallel()
	names := &nameServer{answer: func(name string, _ int64) netip.Addr {
		known := map[string]string{
			"loop.example": "127.0.0.1", "metadata.example": "169.254.169.254",
			"v6.example": "fd00::1", "nat64.example": "64:ff9b::a9fe:a9fe",
		}
		if a, ok := known[strings.ToLower(name)]; ok {
			return netip.MustParseAddr(a)
		}
		return lenient(name)
	}}
	c := newClient(t, outbound.Options{Resolver: names.resolver(t), Timeout: 2 * time.Second})
	if len(refused) < 60 {
		t.Fatalf("want at least 60 URLs, got %d", len(refused))
	}
	for _, text := range refused {
		u, err := url.Parse(text)
		if err != nil {
			continue // a URL that does not parse reaches nobody; TestParseURL has those
		}
		_, err = c.Do((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: u.Host}).WithContext(t.Context()))
		switch kind := fault.KindOf(err); {
		case err == nil:
			t.Errorf("%s: was answered", text)
		case kind == fault.Denied, kind == fault.Invalid:
		case strings.Contains(fault.Public(err), "has no address"):
			// Go's own resolver reads no numeric names; the C library's does, and gives this address.
			if a := lenient(u.Hostname()); a.IsValid() && outbound.IsPublic(a) {
				t.Errorf("%s: %v counts as public", text, a)
			}
		default:
			t.Errorf("%s: want a refusal, got %v", text, err)
		}
		if err != nil && strings.Contains(fault.Public(err), "169.254") {
			t.Errorf("%s: the text names an address: %s", text, fault.Public(err))
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0",
		"169.253.255.255", "192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "126.255.255.255", "128.0.0.1",
		"2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1", "2001:200::1",
	} {
		if !outbound.IsPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s: want public", a)
		}
	}
}

// loopbackURL gives the address of a server by name, so that the resolver has a say.
func loopbackURL(srv *httptest.Server, host string) string {
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	return "http://" + net.JoinHostPort(host, port)
}

func TestRebindingIsDecidedOnTheAddressThatIsDialled(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	// The name is allowed on its first look-up and points to a forbidden address from then on.
	names := &nameServer{answer: func(_ string, n int64) netip.Addr {
		if n <= 1 {
			return netip.MustParseAddr("127.0.0.2")
		}
		return netip.MustParseAddr("127.0.0.1")
	}}
	c := newClient(t, outbound.Options{Resolver: names.resolver(t), AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}})
	if _, err := send(t, c, http.MethodPost, loopbackURL(srv, "rebind.example")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("first look-up: want a refused connection from 127.0.0.2, got %v", err)
	}
	for i := range 5 {
		if _, err := send(t, c, http.MethodPost, loopbackURL(srv, "rebind.example")); fault.KindOf(err) != fault.Denied {
			t.Errorf("look-up %d: want fault.Denied, got %v", i+2, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the forbidden server was reached %d times", hits.Load())
	}
	if names.queries.Load() < 6 {
		t.Errorf("want a look-up per connection, got %d", names.queries.Load())
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := hits.Add(1)
		to := "http://169.254.169.254/latest/meta-data/"
		if n < 3 {
			to = "/next"
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	c := newClient(t, outbound.Options{AllowPrivate: loopback})
	res, err := send(t, c, http.MethodPost, srv.URL)
	if err != nil || res.Status != http.StatusTemporaryRedirect || hits.Load() != 1 {
		t.Errorf("want the first 307 itself, got %d, %v after %d requests", res.Status, err, hits.Load())
	}
}

func TestTheOperatorsRangesAllowAnyPort(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", string(body))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	res, err := send(t, newClient(t, outbound.Options{AllowPrivate: loopback}), http.MethodPost, srv.URL)
	if err != nil || res.Status != http.StatusAccepted || res.Header.Get("X-Seen") != "hello" {
		t.Errorf("want 202 and the body seen, got %+v, %v", res, err)
	}
	_, err = send(t, newClient(t, outbound.Options{}), http.MethodPost, srv.URL)
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("without the range: want fault.Denied, got %v", err)
	}
}

func TestTheEnvironmentsProxyIsIgnored(t *testing.T) {
	var hits atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	c := newClient(t, outbound.Options{AllowPrivate: loopback})
	if _, err := send(t, c, http.MethodPost, "http://10.1.2.3/"); fault.KindOf(err) != fault.Denied || hits.Load() != 0 {
		t.Errorf("want fault.Denied and an idle proxy, got %v and %d requests", err, hits.Load())
	}
}

func TestEndlessAndStallingAnswersAreCut(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat("x", 4096))
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			if r.URL.Path == "/stall" {
				<-r.Context().Done()
			}
		}
	}))
	defer srv.Close()
	c := newClient(t, outbound.Options{AllowPrivate: loopback, Timeout: 300 * time.Millisecond})
	res, err := send(t, c, http.MethodPost, srv.URL)
	if err != nil || len(res.Body) != outbound.DefaultMaxResponseBytes {
		t.Errorf("endless: want %d bytes, got %d, %v", outbound.DefaultMaxResponseBytes, len(res.Body), err)
	}
	start := time.Now()
	res, err = send(t, c, http.MethodPost, srv.URL+"/stall")
	if took := time.Since(start); err != nil || res.Status != http.StatusOK || len(res.Body) != 4096 || took > 20*time.Second {
		t.Errorf("stalling: want 200 and 4096 bytes in time, got %d, %d, %v after %v", res.Status, len(res.Body), err, took)
	}
}

func TestFailuresSayWhatFailedAndNoMore(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer silent.Close()
	defer close(block)
	hangup := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangup.Close()
	private := httptest.NewTLSServer(http.NotFoundHandler())
	defer private.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c := newClient(t, outbound.Options{AllowPrivate: loopback, Timeout: 500 * time.Millisecond})
	for url, want := range map[string]string{
		silent.URL:                         "no answer came in time",
		hangup.URL:                         "the connection broke before an answer came",
		private.URL:                        "unknown authority",
		old.URL:                            "does not speak TLS 1.2",
		"http://" + closed.Addr().String(): "the connection was refused",
		strings.Replace(silent.URL, "http", "https", 1): "",
	} {
		_, err := send(t, c, http.MethodPost, url+"/canary-path?canary=1")
		text := fault.Public(err)
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(text, want) || strings.Contains(text, "canary") ||
			strings.Contains(text, "127.0.0.1") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: want %q, got %v", url, want, err)
		}
	}
}

func TestAtMostTwoConnectionsPerHost(t *testing.T) {
	t.Parallel()
	var open, most atomic.Int64
	release := make(chan struct{})
	arrived := make(chan struct{}, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		open.Add(-1)
	}))
	defer srv.Close()
	c := newClient(t, outbound.Options{AllowPrivate: loopback})
	done := make(chan error, 6)
	for range 6 {
		go func() {
			req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL, nil)
			_, err := c.Do(req)
			done <- err
		}()
	}
	<-arrived
	<-arrived
	close(release)
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 2 {
		t.Errorf("want 2 at once, got %d", most.Load())
	}
}

func TestParsePrefixes(t *testing.T) {
	t.Parallel()
	got, err := outbound.ParsePrefixes(" 10.1.2.3/8, 192.168.1.7 ,,fd00::/8")
	if err != nil || len(got) != 3 || got[0].String() != "10.0.0.0/8" || got[1].String() != "192.168.1.7/32" || got[2].String() != "fd00::/8" {
		t.Errorf("got %v, %v", got, err)
	}
	if none, err := outbound.ParsePrefixes(""); err != nil || none != nil {
		t.Errorf("empty: got %v, %v", none, err)
	}
	for _, bad := range []string{"10.0.0.0/33", "ten", "10.0.0.0-10.0.0.9", "::ffff:10.0.0.0/104", "fe80::1%eth0"} {
		if _, err := outbound.ParsePrefixes(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: want fault.Invalid, got %v", bad, err)
		}
	}
}

// FuzzParseURL: what is accepted has a scheme we speak, a host and no credentials, and survives
// being written and read again.
func FuzzParseURL(f *testing.F) {
	for _, u := range refused {
		f.Add(u)
	}
	f.Add("https://hooks.example.com/a?b=c")
	f.Add("https://[2001:4860:4860::8888]:" + strconv.Itoa(443))
	f.Fuzz(func(t *testing.T, text string) {
		u, err := outbound.ParseURL(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: want fault.Invalid, got %v", text, err)
			}
			return
		}
		if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
			t.Errorf("%q: accepted as %+v", text, u)
		}
		if again, err := outbound.ParseURL(u.String()); len(u.String()) <= 2048 && (err != nil || again.Host != u.Host) {
			t.Errorf("%q: read again as %v, %v", text, again, err)
		}
	})
}
