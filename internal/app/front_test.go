package app

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// front serves a Front whose services answer "reached", and returns its address.
func front(t *testing.T, metrics ...netip.Prefix) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := NewFront("http://" + ln.Addr().String())
	var reached http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "reached "+r.URL.Path)
	})
	for _, route := range f.routes {
		route.Store(&reached)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, ln, metrics) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// TestAmbiguousRequestsAreRefused sends what proxies and servers may read differently: where one
// request ends must never be a matter of opinion, or a second one hides in its body.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	t.Parallel()
	address := front(t)
	const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, head := range map[string]string{
		"two lengths":                  "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
		"a list of lengths":            "Content-Length: 4, 5\r\n\r\nabcd",
		"a length with a sign":         "Content-Length: +4\r\n\r\nabcd",
		"a length in hex":              "Content-Length: 0x4\r\n\r\nabcd",
		"an unknown transfer encoding": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"two transfer encodings":       "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"chunked twice":                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a space before the colon":     "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"a control byte in a name":     "Transfer\x0b-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two hosts":                    "Host: b\r\nContent-Length: 0\r\n\r\n",
	} {
		if status, rest := raw(t, address, "POST /first HTTP/1.1\r\nHost: a\r\n"+head+hidden); status/100 == 2 || strings.Contains(rest, "hidden") {
			t.Errorf("%s: %d, then %q", name, status, rest)
		}
	}
	// Beside chunks a length says nothing: what it would cut in two is one request.
	// Rule: https://www.rfc-editor.org/rfc/rfc9112#section-6.3
	if status, rest := raw(t, address, "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n21\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n"); status != http.StatusOK || rest != "reached /first" {
		t.Errorf("a length beside chunks: %d %q", status, rest)
	}
	// A client that asks for HTTP/2 without TLS stays where it is.
	if status, rest := raw(t, address, "GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"); status != http.StatusOK || !strings.Contains(rest, "reached /first") {
		t.Errorf("h2c: %d %q", status, rest)
	}
}

// raw sends bytes and returns the status of the first answer and all that came after its head.
func raw(t *testing.T, address, text string) (status int, rest string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, ""
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	more, _ := io.ReadAll(r) // until the server hangs up
	return res.StatusCode, string(body) + string(more)
}

// TestTheInsideIsNotServed: metrics are for the networks that are listed, and there is no profiler
// on the port at all.
func TestTheInsideIsNotServed(t *testing.T) {
	t.Parallel()
	elsewhere, here := front(t, netip.MustParsePrefix("10.0.0.0/8")), front(t, netip.MustParsePrefix("127.0.0.0/8"))
	get := func(address, path string) (int, string) {
		t.Helper()
		res, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if status, body := get(elsewhere, "/metrics"); status/100 == 2 || strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics for a network that is not listed: %d", status)
	}
	if status, body := get(here, "/metrics"); status != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics for a network that is listed: %d", status)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		if _, body := get(here, path); body != "reached "+path {
			t.Errorf("%s is served beside the pages: %.100s", path, body)
		}
	}
}
