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
	Query   []Field
	Headers []Field
	Cookies []Field
	Body    string  // indented, when it is JSON
	Raw     string  // the body in one piece, when that differs
	Form    []Field // the body, when it is a form
	Env     []Field
	Curl    string
	HTTPie  string
}

func request(vs *values, r *event.Request) *Request {
	if r == nil {
		return nil
	}
	v := &Request{Method: r.Method, URL: r.URL, Link: webLink(r.URL), Env: vs.fields("request.env", r.Env)}
	if u, err := url.Parse(r.URL); err == nil {
		v.Host, v.Path = u.Host, u.EscapedPath()
	}
	v.Query, v.Headers, v.Cookies = vs.pairs("request.query_string", r.Query), vs.pairs("request.headers", r.Headers), vs.pairs("request.cookies", r.Cookies)
	sent := ""
	if len(r.Data) > 0 && string(r.Data) != "null" {
		v.Body, sent = body(r.Data), sentBody(r.Data)
		if sent != v.Body {
			v.Raw = cutBytes(sent, prettyValue)
		}
		v.Form = form(vs, r)
	}
	if v.URL == "" && len(v.Headers) == 0 && v.Body == "" && len(v.Query) == 0 && len(v.Env) == 0 {
		return nil
	}
	if r.URL != "" {
		c := command{r: r, body: cutBytes(sent, prettyValue)}
		v.Curl, v.HTTPie = c.curl(), c.httpie()
	}
	return v
}

// form is a body of names and values.
func form(vs *values, r *event.Request) []Field {
	kind := first(r.InferredContentType, r.Header("Content-Type"))
	if !strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		return nil
	}
	if r.Data[0] == '{' {
		var list []Field
		members(r.Data, func(name string, item event.Value) {
			list = append(list, Field{Name: name, Value: vs.at("request.data."+name, item)})
		})
		return list
	}
	return nil
}

// body is the request's body for reading: texts as they are, the rest as indented JSON.
func body(v event.Value) string {
	if v[0] != '"' {
		return pretty(v)
	}
	text := unquote(v)
	if inner := strings.TrimSpace(text); len(inner) > 1 && (inner[0] == '{' || inner[0] == '[') && event.Value(inner).IsValid() {
		return pretty(event.Value(inner))
	}
	return cutBytes(text, prettyValue)
}

// sentBody is the body as it was sent, as far as that is known.
func sentBody(v event.Value) string { return scalar(v) }

// command writes command lines that repeat a request as far as it is known. Every part is quoted
// for a POSIX shell.
type command struct {
	r    *event.Request
	body string
}

// address is the URL with its query.
func (c command) address() string {
	if len(c.r.Query) == 0 || strings.Contains(c.r.URL, "?") {
		return c.r.URL
	}
	q := make([]string, len(c.r.Query))
	for i, p := range c.r.Query {
		q[i] = url.QueryEscape(p.Key) + "=" + url.QueryEscape(p.Value)
	}
	return c.r.URL + "?" + strings.Join(q, "&")
}

// headers are those worth repeating.
func (c command) headers() []event.Pair {
	var list []event.Pair
	for _, h := range c.r.Headers {
		if strings.EqualFold(h.Key, "Host") || strings.EqualFold(h.Key, "Content-Length") || strings.EqualFold(h.Key, "Cookie") && len(c.r.Cookies) > 0 {
			continue
		}
		list = append(list, h)
	}
	return list
}

func (c command) cookies() string {
	list := make([]string, len(c.r.Cookies))
	for i, p := range c.r.Cookies {
		list[i] = p.Key + "=" + p.Value
	}
	return strings.Join(list, "; ")
}

func (c command) curl() string {
	var sb strings.Builder
	sb.WriteString("curl")
	if c.r.Method != "" && !strings.EqualFold(c.r.Method, "GET") {
		sb.WriteString(" -X " + shell(c.r.Method))
	}
	sb.WriteString(" " + shell(c.address()))
	for _, h := range c.headers() {
		sb.WriteString(" \\\n  -H " + shell(h.Key+": "+h.Value))
	}
	if cookies := c.cookies(); cookies != "" {
		sb.WriteString(" \\\n  -b " + shell(cookies))
	}
	if c.body != "" {
		sb.WriteString(" \\\n  --data-raw " + shell(c.body))
	}
	return sb.String()
}

// httpie writes the request for HTTPie.
// Rule: https://httpie.io/docs/cli/request-items
func (c command) httpie() string {
	var sb strings.Builder
	sb.WriteString("http")
	if c.body != "" {
		sb.WriteString(" --raw " + shell(c.body))
	}
	sb.WriteString(" " + shell(first(strings.ToUpper(c.r.Method), "GET")) + " " + shell(c.address()))
	for _, h := range c.headers() {
		sb.WriteString(" \\\n  " + shell(h.Key+":"+h.Value))
	}
	if cookies := c.cookies(); cookies != "" {
		sb.WriteString(" \\\n  " + shell("Cookie:"+cookies))
	}
	return sb.String()
}

// shell quotes a word so that a POSIX shell takes it as it is. Characters that a terminal would
// act on are written as escapes by Visible, when the page is written.
func shell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
