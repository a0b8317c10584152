package view

import (
	"net/url"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Request is the HTTP request that was being handled.
type Request struct {
	Method  string
	URL     string
	Link    string // URL, when it may be followed
	Host    string
	Path    string
	Query   []Pair
	Headers []Pair
	Cookies []Pair
	Body    string
	Env     []Field
	Curl    string
}

func request(r *event.Request) *Request {
	if r == nil {
		return nil
	}
	v := &Request{Method: r.Method, URL: r.URL, Link: webLink(r.URL), Env: fields(r.Env)}
	if u, err := url.Parse(r.URL); err == nil {
		v.Host, v.Path = u.Host, u.EscapedPath()
	}
	v.Query, v.Headers, v.Cookies = texts(r.Query), texts(r.Headers), texts(r.Cookies)
	if len(r.Data) > 0 && string(r.Data) != "null" {
		v.Body = body(r.Data)
	}
	if v.URL == "" && len(v.Headers) == 0 && v.Body == "" && len(v.Query) == 0 && len(v.Env) == 0 {
		return nil
	}
	v.Curl = curl(v)
	return v
}

func texts(list []event.Pair) []Pair {
	out := make([]Pair, len(list))
	for i, p := range list {
		out[i] = Pair{p.Key, p.Value}
	}
	return out
}

// body is the request's body: texts as they are, the rest as indented JSON.
func body(v event.Value) string {
	if v[0] == '"' {
		return cutBytes(unquote(v), prettyValue)
	}
	return pretty(v)
}

// curl is a command line that repeats the request as far as it is known. Every part is quoted for
// a POSIX shell.
func curl(r *Request) string {
	if r.URL == "" {
		return ""
	}
	var sb strings.Builder
	sb.WriteString("curl")
	if r.Method != "" && !strings.EqualFold(r.Method, "GET") {
		sb.WriteString(" -X " + shell(r.Method))
	}
	address := r.URL
	if len(r.Query) > 0 && !strings.Contains(address, "?") {
		q := make([]string, len(r.Query))
		for i, p := range r.Query {
			q[i] = url.QueryEscape(p.Key) + "=" + url.QueryEscape(p.Value)
		}
		address += "?" + strings.Join(q, "&")
	}
	sb.WriteString(" " + shell(address))
	for _, h := range r.Headers {
		if strings.EqualFold(h.Key, "Host") || strings.EqualFold(h.Key, "Content-Length") {
			continue
		}
		sb.WriteString(" \\\n  -H " + shell(h.Key+": "+h.Value))
	}
	if len(r.Cookies) > 0 {
		c := make([]string, len(r.Cookies))
		for i, p := range r.Cookies {
			c[i] = p.Key + "=" + p.Value
		}
		sb.WriteString(" \\\n  -b " + shell(strings.Join(c, "; ")))
	}
	if r.Body != "" {
		sb.WriteString(" \\\n  --data-raw " + shell(r.Body))
	}
	return sb.String()
}

// shell quotes a word so that a POSIX shell takes it as it is. Characters that a terminal would
// act on are written as escapes by Visible, when the page is written.
func shell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
