// Package remote is the part of the tocsin command that works with a running installation through
// its API: issues, projects, keys, users, tokens and imports.
//
//	tocsin issue list ──▶ Client ── Bearer token ──▶ /api/0/…
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Server says which installation to work with, and as whom. What is not given is taken from
// bootstrap.json of the data folder.
type Server struct {
	URL   string `name:"url" help:"Address of the installation; from bootstrap.json of --data when empty." env:"TOCSIN_URL"`
	Token string `help:"API token; from bootstrap.json of --data when empty." env:"TOCSIN_TOKEN"`
	Org   string `help:"Organization, by slug; from bootstrap.json of --data when empty." env:"TOCSIN_ORG"`
	Data  string `help:"Data folder of an installation on this machine." default:"./data" env:"TOCSIN_DATA" type:"path"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

const (
	callTimeout = 60 * time.Second
	maxAnswer   = 64 << 20
)

// Client calls the API of one installation as one organization's token.
type Client struct {
	base, token, Org string
	http             *http.Client
}

// Client returns the client that the flags describe. fault.Invalid says which flag is missing.
func (s *Server) Client() (*Client, error) {
	if s.URL == "" || s.Token == "" || s.Org == "" {
		var kept struct {
			URL          string `json:"url"`
			Token        string `json:"auth_token"`
			Organization string `json:"organization"`
		}
		body, err := os.ReadFile(filepath.Join(s.Data, "bootstrap.json"))
		if err == nil {
			err = json.Unmarshal(body, &kept)
		}
		s.URL, s.Token, s.Org = first(s.URL, kept.URL), first(s.Token, kept.Token), first(s.Org, kept.Organization)
		if s.URL == "" || s.Token == "" || s.Org == "" {
			return nil, fault.Wrap(err, fault.Invalid, "say which installation to work with: --url, --token and --org, or --data with a bootstrap.json")
		}
	}
	return NewClient(s.URL, s.Token, s.Org)
}

// NewClient returns a client for the installation at an address.
func NewClient(base, token, org string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "%q is not an address such as https://errors.example.com", base)
	}
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, Org: org, http: &http.Client{Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// OrgPath is a path below the organization.
func (c *Client) OrgPath(tail string) string {
	return "/api/0/organizations/" + url.PathEscape(c.Org) + "/" + tail
}

// ProjectPath is a path below one of its projects.
func (c *Client) ProjectPath(project, tail string) string {
	return "/api/0/projects/" + url.PathEscape(c.Org) + "/" + url.PathEscape(project) + "/" + tail
}

// Call makes one request and decodes the answer into v, unless v is nil. next is the cursor of the
// page after this one, empty when there is none. Failures carry the kind that the status means.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, body, v any) (next string, err error) {
	var text io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return "", fault.Wrap(err, fault.Internal, "encode the request")
		}
		text = bytes.NewReader(raw)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, text)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "make the request")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "%s does not answer", c.base)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "%s broke off", c.base)
	}
	if res.StatusCode >= 300 {
		return "", refusal(res, raw)
	}
	if v != nil && len(raw) > 0 {
		if err := json.Unmarshal(raw, v); err != nil {
			return "", fault.Wrap(err, fault.Internal, "the answer to %s %s could not be read", method, path)
		}
	}
	return nextCursor(res.Header.Get("Link")), nil
}

var nextForm = regexp.MustCompile(`rel="next"; results="true"; cursor="([^"]*)"`)

func nextCursor(link string) string {
	if m := nextForm.FindStringSubmatch(link); m != nil {
		return m[1]
	}
	return ""
}

// refusal is an answer that says no, as a fault.
func refusal(res *http.Response, body []byte) error {
	kind := fault.Internal
	for _, k := range []fault.Kind{fault.Invalid, fault.Unknown, fault.Conflict, fault.Denied, fault.Unauthenticated, fault.TooLarge, fault.Limited, fault.Unavailable} {
		if k.Status() == res.StatusCode {
			kind = k
		}
	}
	if res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusGatewayTimeout {
		kind = fault.Unavailable
	}
	var fields map[string]any
	text := strings.TrimSpace(string(body[:min(len(body), 300)]))
	if json.Unmarshal(body, &fields) == nil && len(fields) > 0 {
		if detail, ok := fields["detail"].(string); ok {
			text = detail
		} else {
			var parts []string
			for name, v := range fields {
				parts = append(parts, fmt.Sprintf("%s: %v", name, v))
			}
			text = strings.Join(parts, "; ")
		}
	}
	e := fault.New(kind, "%s (%d)", text, res.StatusCode)
	if after, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
		e = e.RetryAfter(after)
	}
	return e
}

// Each calls f for the elements of a list, page by page, until f returns false or limit elements
// were seen; limit 0: all.
func Each[T any](ctx context.Context, c *Client, path string, query url.Values, limit int, f func(T) (bool, error)) error {
	if query == nil {
		query = url.Values{}
	}
	for seen := 0; ; {
		var page []T
		next, err := c.Call(ctx, http.MethodGet, path, query, nil, &page)
		if err != nil {
			return err
		}
		for _, v := range page {
			if seen++; limit > 0 && seen > limit {
				return nil
			}
			if more, err := f(v); err != nil || !more {
				return err
			}
		}
		if next == "" || len(page) == 0 {
			return nil
		}
		query.Set("cursor", next)
	}
}

// Exit codes of the command, beside 0.
const (
	ExitFailed      = 1 // anything else
	ExitUsage       = 2 // the command line makes no sense, or a value is refused
	ExitNotFound    = 3
	ExitNotAllowed  = 4 // no or a wrong token, or not with these scopes
	ExitUnavailable = 5 // the installation does not answer, or is too busy; trying again may help
	ExitConflict    = 6 // it exists already, or something changed meanwhile
)

// ExitCode is what the command ends with after an error.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var known *fault.Error
	if !errors.As(err, &known) {
		return ExitFailed
	}
	switch known.Kind {
	case fault.Invalid, fault.TooLarge, fault.Unsupported:
		return ExitUsage
	case fault.Unknown:
		return ExitNotFound
	case fault.Denied, fault.Unauthenticated:
		return ExitNotAllowed
	case fault.Unavailable, fault.Limited:
		return ExitUnavailable
	case fault.Conflict:
		return ExitConflict
	}
	return ExitFailed
}

// print writes v as JSON when that is asked for, else what text writes.
func (s *Server) print(out io.Writer, v any, text func(io.Writer) error) error {
	if !s.JSON {
		return text(out)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
