// Package symbolicator asks a symbolicator service to name addresses of machine code.
//
// Rule: https://getsentry.github.io/symbolicator/api/
package symbolicator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

// Module is a file of machine code in the memory of the process.
type Module struct {
	Type      string `json:"type"`
	DebugID   string `json:"debug_id,omitempty"`
	CodeID    string `json:"code_id,omitempty"`
	DebugFile string `json:"debug_file,omitempty"`
	CodeFile  string `json:"code_file,omitempty"`
	ImageAddr string `json:"image_addr"`
	ImageSize uint64 `json:"image_size,omitempty"`
}

// Frame is an address, and in an answer what is known of it.
type Frame struct {
	InstructionAddr string `json:"instruction_addr"`
	AddrMode        string `json:"addr_mode,omitempty"`
	Trust           string `json:"trust,omitempty"`

	Status        string `json:"status,omitempty"` // symbolicated, missing, …
	OriginalIndex int    `json:"original_index,omitempty"`
	Function      string `json:"function,omitempty"`
	Symbol        string `json:"symbol,omitempty"`
	SymAddr       string `json:"sym_addr,omitempty"`
	Package       string `json:"package,omitempty"`
	Lang          string `json:"lang,omitempty"`
	AbsPath       string `json:"abs_path,omitempty"`
	Filename      string `json:"filename,omitempty"`
	Lineno        int    `json:"lineno,omitempty"`
}

// Named reports whether the service found a frame's function.
func (f *Frame) Named() bool { return f.Status == "symbolicated" && f.Function != "" }

// Stack is the frames of one thread, innermost first. The rest is only said of minidumps.
type Stack struct {
	Frames    []Frame           `json:"frames"`
	Thread    uint64            `json:"thread_id,omitempty"`
	Name      string            `json:"thread_name,omitempty"`
	Crashed   bool              `json:"is_requesting,omitempty"`
	Registers map[string]string `json:"registers,omitempty"`
}

// Query is what is to be named.
type Query struct {
	Project int64 // keeps what one project has from others
	Stacks  []Stack
	Modules []Module
}

const (
	maxAnswer   = 16 << 20
	patience    = 2 * time.Second // of one request; after it the service says that it goes on
	shortestNap = 100 * time.Millisecond
)

// Client asks one service. It is safe for concurrent use.
type Client struct {
	base    string
	sources json.RawMessage
	http    *outbound.Client
	outside *bus.Outside
}

// New returns a client of the service at an address of the operator's, which may be private. sources
// is a list of places that the service reads debug files from, as its documentation has it; nil: those
// that it is set up with. fault.Invalid: the address or the list cannot be used.
func New(outside *bus.Outside, address string, sources []byte) (*Client, error) {
	if _, err := outbound.ParseURL(address); err != nil {
		return nil, fault.New(fault.Invalid, "the address of the symbolicator cannot be used: %s", fault.Public(err))
	}
	if len(sources) == 0 {
		sources = []byte("[]")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(sources, &list); err != nil {
		return nil, fault.New(fault.Invalid, "the sources of the symbolicator are not a list in JSON: %v", err)
	}
	anywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	return &Client{base: strings.TrimSuffix(address, "/"), sources: sources, outside: outside,
		http: outbound.New(outbound.Options{AllowPrivate: anywhere, MaxResponseBytes: maxAnswer, ConnsPerHost: 8})}, nil
}

type request struct {
	Platform string          `json:"platform"`
	Sources  json.RawMessage `json:"sources"`
	Stacks   []Stack         `json:"stacktraces"`
	Modules  []Module        `json:"modules"`
}

type answer struct {
	Status     string  `json:"status"` // pending, completed (complete in its documentation), failed, timeout, internal_error
	RequestID  string  `json:"request_id"`
	RetryAfter float64 `json:"retry_after"` // seconds
	Message    string  `json:"message"`
	Stacks     []Stack `json:"stacktraces"`
}

// Symbolicate returns the stacks of a query with what the service knows of them: as many as were
// asked for, each innermost first, with inlined calls of their own. fault.Unavailable: the service is
// away or did not finish in time. fault.Invalid: it cannot work on the query.
func (c *Client) Symbolicate(ctx context.Context, q Query) (stacks []Stack, err error) {
	body, err := json.Marshal(request{"native", c.sources, q.Stacks, q.Modules})
	if err != nil {
		return nil, err
	}
	stacks, err = c.ask(ctx, fmt.Sprintf("/symbolicate?scope=%d&", q.Project), "application/json", body)
	if err == nil && len(stacks) != len(q.Stacks) {
		return nil, fault.New(fault.Invalid, "the symbolicator answered %d stacks to %d", len(stacks), len(q.Stacks))
	}
	return stacks, err
}

// Minidump returns the stacks of a minidump's threads, which the service walks with what debug files
// say of unwinding. It fails as Symbolicate does.
func (c *Client) Minidump(ctx context.Context, project int64, dump []byte) ([]Stack, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("upload_file_minidump", "minidump.dmp")
	if err == nil {
		_, err = file.Write(dump)
	}
	if err = errors.Join(err, form.WriteField("sources", string(c.sources)), form.WriteField("platform", `"native"`), form.Close()); err != nil {
		return nil, err
	}
	stacks, err := c.ask(ctx, fmt.Sprintf("/minidump?scope=%d&", project), form.FormDataContentType(), body.Bytes())
	if err == nil && len(stacks) == 0 {
		return nil, fault.New(fault.Invalid, "the symbolicator found no stacks in the minidump")
	}
	return stacks, err
}

// ask sends a request under the policies of the binding.
func (c *Client) ask(ctx context.Context, path, contentType string, body []byte) (stacks []Stack, err error) {
	err = c.outside.Do(ctx, func(ctx context.Context) error {
		stacks, err = c.exchange(ctx, path, contentType, body)
		return err
	})
	return stacks, err
}

// exchange asks once and comes back for the answer until it is there.
func (c *Client) exchange(ctx context.Context, path, contentType string, body []byte) ([]Stack, error) {
	a, err := c.send(ctx, http.MethodPost, path, contentType, body)
	for err == nil && a.Status == "pending" {
		if err = nap(ctx, time.Duration(a.RetryAfter*float64(time.Second))); err == nil {
			a, err = c.send(ctx, http.MethodGet, "/requests/"+url.PathEscape(a.RequestID)+"?", "", nil)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case a.Status != "completed" && a.Status != "complete":
		return nil, fault.New(fault.Invalid, "the symbolicator answered %.40q: %.200s", a.Status, a.Message)
	}
	return a.Stacks, nil
}

// nap waits for as long as the service asks for, as far as there is time.
func nap(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(min(max(d, shortestNap), patience))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%s%stimeout=%d", c.base, path, int(patience/time.Second)), bytes.NewReader(body))
	if err != nil {
		return a, fault.Wrap(err, fault.Invalid, "the address of the symbolicator cannot be used")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.http.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return a, fault.Wrap(ctx.Err(), fault.Unavailable, "the symbolicator did not answer in time")
	case err != nil:
		return a, fault.Wrap(err, fault.Unavailable, "the symbolicator cannot be reached: %s", fault.Public(err))
	case res.Status == http.StatusNotFound && method == http.MethodGet, res.Status == http.StatusTooManyRequests, res.Status >= 500:
		// A request is forgotten when the service restarts; asking again starts it anew.
		return a, fault.New(fault.Unavailable, "the symbolicator answered %d", res.Status)
	case res.Status != http.StatusOK:
		return a, fault.New(fault.Invalid, "the symbolicator answered %d", res.Status)
	}
	if err := json.Unmarshal(res.Body, &a); err != nil {
		return a, fault.New(fault.Invalid, "the answer of the symbolicator cannot be read")
	}
	return a, nil
}
