// Package sdk holds requests that real client SDKs sent, recorded on the wire and not edited, with
// what each of them says. Tests of everything that reads client traffic run over them.
//
// A file is the request line, the header lines as received, an empty line, and the body before any
// content encoding is undone. Chunk framing is gone, so a replay sets its own Content-Length.
package sdk

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

//go:embed testdata
var files embed.FS

// Key and Project are what every recorded client was configured with.
const (
	Key     = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
	Project = 1
)

// The kinds of recorded requests.
const (
	KindEnvelope = "envelope"
	KindStore    = "store"
	KindSecurity = "security"
	KindAPI      = "api"
)

// Request is one recorded request.
type Request struct {
	File            string `json:"file"`
	SDK             string `json:"sdk"`
	SDKVersion      string `json:"sdk_version"`
	Scenario        string `json:"scenario"`
	Kind            string `json:"kind"`
	Path            string `json:"path"`
	ContentEncoding string `json:"content_encoding"`
	BodyWrapping    string `json:"body_wrapping"` // base64(zlib(json)) of the oldest clients
	Items           []Item `json:"items"`
	EventID         string `json:"event_id"` // 32 hex digits; from the envelope header, else the payload
	Expect          Expect `json:"expect"`

	Method string      `json:"-"`
	Target string      `json:"-"` // path and query as sent
	Header http.Header `json:"-"`
	Body   []byte      `json:"-"` // as sent, before any content encoding is undone
}

// Item is one item of a recorded envelope.
type Item struct {
	Type  string `json:"type"`
	Bytes int    `json:"bytes"`
}

// Expect is what the payload says; no server default is applied. Fields that a payload's kind does
// not have are zero.
type Expect struct {
	EventType       string            `json:"event_type"`
	Level           string            `json:"level"`
	Message         string            `json:"message"`
	Title           string            `json:"title"`
	Transaction     string            `json:"transaction"`
	Release         string            `json:"release"`
	Environment     string            `json:"environment"`
	Dist            string            `json:"dist"`
	Platform        string            `json:"platform"`
	ServerName      string            `json:"server_name"`
	Logger          string            `json:"logger"`
	UserID          string            `json:"user_id"`
	Tags            map[string]string `json:"tags"`
	Fingerprint     []string          `json:"fingerprint"`
	ExceptionTypes  []string          `json:"exception_types"`
	ExceptionValues []string          `json:"exception_values"`
	Frames          int               `json:"frames_of_last_exception"`
	Breadcrumbs     int               `json:"breadcrumbs"`
	RequestURL      string            `json:"request_url"`
	TraceID         string            `json:"trace_id"`
	Raw             json.RawMessage   `json:"-"` // the whole object
}

// UnmarshalJSON reads the fields whose types fit and keeps the whole object in Raw: other kinds of
// payload use some of the names for other things.
func (e *Expect) UnmarshalJSON(b []byte) error {
	type plain Expect
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		if _, other := err.(*json.UnmarshalTypeError); !other {
			return fmt.Errorf("expectation: %w", err)
		}
	}
	e.Raw = bytes.Clone(b)
	return nil
}

var load = sync.OnceValues(func() ([]Request, error) {
	index, err := files.ReadFile("testdata/INDEX.json")
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	var list []Request
	if err := json.Unmarshal(index, &list); err != nil {
		return nil, fmt.Errorf("decode the index: %w", err)
	}
	for i := range list {
		if err := list[i].read(); err != nil {
			return nil, fmt.Errorf("%s: %w", list[i].File, err)
		}
	}
	return list, nil
})

// All returns every recorded request, for programs that are no tests. The values are shared and must
// not be changed.
func All() ([]Request, error) { return load() }

// Requests returns every recorded request of the given kinds, all when none is given, in the order
// of the index. The values are shared and must not be changed.
func Requests(t testing.TB, kinds ...string) []Request {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatalf("recorded requests: %v", err)
	}
	if len(kinds) == 0 {
		return all
	}
	var list []Request
	for _, r := range all {
		for _, k := range kinds {
			if r.Kind == k {
				list = append(list, r)
			}
		}
	}
	return list
}

// read fills r with the contents of its file.
func (r *Request) read() error {
	raw, err := files.ReadFile("testdata/" + r.File)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	head, body, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return fmt.Errorf("no empty line ends the head")
	}
	lines := strings.Split(string(head), "\n")
	r.Method, r.Target, ok = strings.Cut(lines[0], " ")
	if !ok {
		return fmt.Errorf("bad request line %q", lines[0])
	}
	r.Header = http.Header{}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("bad header line %q", line)
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	r.Body = body
	return nil
}
