package dsn_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const key = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

func TestDSNForms(t *testing.T) {
	t.Parallel()
	k, err := dsn.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]dsn.DSN{
		"http://" + key + "@127.0.0.1:9123/1":                     {Scheme: "http", Key: k, Host: "127.0.0.1:9123", Project: 1},
		"https://" + key + ":secret@example.com/42":               {Scheme: "https", Key: k, Secret: "secret", Host: "example.com", Project: 42},
		"https://" + key + ":@example.com/42/":                    {Scheme: "https", Key: k, Host: "example.com", Project: 42},
		"https://" + key + ".no-cache@example.com/42":             {Scheme: "https", Key: k, Host: "example.com", Project: 42},
		"https://" + strings.ToUpper(key) + "@[::1]:80/a/b%20c/9": {Scheme: "https", Key: k, Host: "[::1]:80", Path: "/a/b%20c", Project: 9},
	} {
		got, err := dsn.Parse(in)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", in, err, diff)
		}
	}
	for _, in := range []string{
		"", "nope", "http://example.com/1", "http://" + key + "@example.com", "http://" + key + "@example.com/",
		"http://" + key + "@example.com/x", "http://" + key + "@/1", "ftp://" + key + "@example.com/1",
		"http://abc@example.com/1", "http://" + key + "@example.com/-1", "http://" + key + "@example.com/0",
		"http://" + key + "@example.com/99999999999999999999", "http://" + key + "@example.com/" + strings.Repeat("1", 4000),
	} {
		if got, err := dsn.Parse(in); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: want invalid, got %v %v", in, got, err)
		}
	}
}

// FuzzParse: a DSN is printed so that it reads the same again, but for the secret.
func FuzzParse(f *testing.F) {
	f.Add("https://" + key + ":secret@example.com:8443/prefix/42")
	f.Add("http://" + key + "@[::1]/1")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := dsn.Parse(s)
		if err != nil {
			return
		}
		d.Secret = ""
		again, err := dsn.Parse(d.String())
		if diff := cmp.Diff(d, again); err != nil || diff != "" {
			t.Errorf("%q as %q: %v (-first +again):\n%s", s, d, err, diff)
		}
	})
}

// FuzzParseHeader: no input panics, and what is accepted has a key and a version we speak.
func FuzzParseHeader(f *testing.F) {
	f.Add("Sentry sentry_version=7, sentry_client=raven-node/2.6.4, sentry_key=" + key)
	f.Add("sentry sentry_key=,=,sentry_version=2.0")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := dsn.ParseHeader(s)
		if err == nil && (a.Version < 0 || a.Version > dsn.Version || len(a.Client) > 256) {
			t.Errorf("%q: %+v", s, a)
		}
	})
}

// TestAuthTable covers every place a key can come from.
// Rule: getsentry/relay relay-server/src/extractors/request_meta.rs
func TestAuthTable(t *testing.T) {
	t.Parallel()
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		xauth, authorization, query string
		status                      int // 0 is accepted
		detail                      string
		version                     int
		client                      string
	}{
		"x-sentry-auth":          {xauth: "Sentry sentry_key=" + key, version: 7},
		"any order, any case":    {xauth: "sENTRY sentry_client = a/1 ,sentry_key= " + key + ",sentry_version=5,x=y", version: 5, client: "a/1"},
		"later duplicate wins":   {xauth: "Sentry sentry_key=x,sentry_key=" + key, version: 7},
		"second equals sign":     {xauth: "Sentry sentry_client=a=b,sentry_key=" + key, version: 7, client: "a"},
		"secret and timestamp":   {xauth: "Sentry sentry_secret=s, sentry_timestamp=1.5, sentry_key=" + key, version: 7},
		"version 2.0":            {xauth: "Sentry sentry_version=2.0,sentry_key=" + key, version: 2},
		"version 8":              {xauth: "Sentry sentry_version=8,sentry_key=" + key, status: 400, detail: "unsupported protocol version (8)"},
		"version x":              {xauth: "Sentry sentry_version=x,sentry_key=" + key, status: 401, detail: "bad x-sentry-auth header"},
		"no key":                 {xauth: "Sentry sentry_version=7", status: 401, detail: "bad x-sentry-auth header"},
		"empty key":              {xauth: "Sentry sentry_key=", status: 401, detail: "bad x-sentry-auth header"},
		"short key":              {xauth: "Sentry sentry_key=abc", status: 400, detail: "bad sentry DSN public key"},
		"key with a letter":      {xauth: "Sentry sentry_key=" + key[:31] + "g", status: 400, detail: "bad sentry DSN public key"},
		"flags":                  {xauth: "Sentry sentry_key=" + key + ".no-cache", version: 7},
		"authorization":          {authorization: "Sentry sentry_key=" + key, version: 7},
		"basic":                  {authorization: basic(key + ":"), version: 7},
		"basic with password":    {authorization: basic(key + ":x"), version: 7},
		"broken basic":           {authorization: "Basic ???", status: 401, detail: "bad x-sentry-auth header"},
		"bearer is not ours":     {authorization: "Bearer " + key, status: 401, detail: "missing authorization information"},
		"query":                  {query: "sentry_key=" + key + "&sentry_version=7&sentry_client=b%2F2", version: 7, client: "b/2"},
		"query without key":      {query: "sentry_environment=x", status: 401, detail: "missing authorization information"},
		"header and release":     {xauth: "Sentry sentry_key=" + key, query: "sentry_release=1", version: 7},
		"nothing":                {status: 401, detail: "missing authorization information"},
		"empty header":           {xauth: "", query: "sentry_key=" + key, version: 7},
		"foreign header":         {xauth: "Sentry", query: "sentry_key=" + key, version: 7},
		"header and query":       {xauth: "Sentry sentry_key=" + key, query: "sentry_key=" + key, status: 401, detail: "multiple authorization payloads detected"},
		"two headers":            {xauth: "Sentry sentry_key=" + key, authorization: "Sentry sentry_key=" + key, status: 401, detail: "multiple authorization payloads detected"},
		"basic and query":        {authorization: basic(key + ":"), query: "sentry_key=" + key, status: 401, detail: "multiple authorization payloads detected"},
		"bearer beside a header": {authorization: "Bearer x", xauth: "Sentry sentry_key=" + key, version: 7},
	} {
		h := http.Header{}
		if c.xauth != "" {
			h.Set("X-Sentry-Auth", c.xauth)
		}
		if c.authorization != "" {
			h.Set("Authorization", c.authorization)
		}
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := dsn.FromRequest(h, query)
		if c.status != 0 {
			if err == nil || fault.KindOf(err).Status() != c.status || fault.Public(err) != c.detail {
				t.Errorf("%s: want %d %q, got %v", name, c.status, c.detail, err)
			}
			continue
		}
		if err != nil || got.Key.String() != key || got.Version != c.version || got.Client != c.client {
			t.Errorf("%s: got %+v %v", name, got, err)
		}
	}
}

func BenchmarkFromRequest(b *testing.B) {
	h := http.Header{"X-Sentry-Auth": {"Sentry sentry_version=7, sentry_client=sentry.go/0.50.0, sentry_key=" + key}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dsn.FromRequest(h, nil); err != nil {
			b.Fatal(err)
		}
	}
}
