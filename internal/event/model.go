package event

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is one JSON value kept as its text. It is always valid JSON when it is not empty;
// an empty Value means the field was absent.
type Value = jsontext.Value

// Member is one name and value of an Object.
type Member struct {
	Name  string
	Value Value
}

// Object is a JSON object whose values stay text, in the order they were sent.
type Object []Member

// Get returns the value of the first member called name, nil when there is none.
func (o Object) Get(name string) Value {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

// Pair is one key and value of a list that the wire writes as two-element lists: tags, headers,
// cookies, query parameters.
type Pair struct{ Key, Value string }

// Type says what kind of occurrence an event describes.
type Type string

// The event types that are stored as issues, and the two that are not.
const (
	TypeDefault      Type = "default"
	TypeError        Type = "error"
	TypeCSP          Type = "csp"
	TypeHPKP         Type = "hpkp"
	TypeExpectCT     Type = "expectct"
	TypeExpectStaple Type = "expectstaple"
	TypeNEL          Type = "nel"
	TypeTransaction  Type = "transaction"
	TypeFeedback     Type = "feedback"
)

// Level is the severity of an event or breadcrumb. The numbers are the protocol's and the column's.
type Level int16

// The levels of the protocol, least severe first. Zero means absent.
const (
	LevelSample  Level = 5
	LevelDebug   Level = 10
	LevelInfo    Level = 20
	LevelWarning Level = 30
	LevelError   Level = 40
	LevelFatal   Level = 50
)

// Event is one occurrence, tolerantly decoded and, after Normalize, complete: every default is
// filled in and every limit holds. The zero value of a field means the client did not send it.
type Event struct {
	ID          ID
	Project     int64
	Type        Type
	Level       Level
	Platform    string
	Logger      string
	Release     string
	Dist        string
	Environment string
	ServerName  string
	Transaction string
	// TransactionSource is transaction_info.source: custom, url, route, view, component, task.
	TransactionSource string
	TransactionInfo   Object // the rest of transaction_info: original, changes, propagations
	Culprit           string // as sent; see Metadata for the one to show
	Checksum          string // legacy grouping override
	Spans             Value  // transactions: the list of spans as sent
	Measurements      Object // transactions: name to {"value","unit"}
	Timestamp         time.Time
	StartTimestamp    time.Time // transactions
	ReceivedAt        time.Time
	LogEntry          *LogEntry
	Exceptions        []Exception // oldest cause first, the thrown one last
	Stacktrace        *Stacktrace // deprecated top-level trace
	Threads           []Thread
	Template          *Template
	Breadcrumbs       []Breadcrumb
	User              *User
	Request           *Request
	Contexts          []Context
	Tags              []Pair
	Extra             Object
	Modules           []Pair // package name and version
	Fingerprint       []string
	GroupedBy         string // version and rules of grouping that made the hashes; set by the processor
	DebugMeta         Object // sdk_info, images
	SDK               *SDK
	// MainExceptionID is mechanism.exception_id of the exception that titles the event, when the
	// client or grouping named one.
	MainExceptionID *int
	Security        Object // the csp, hpkp, expectct, expectstaple interface selected by Type
	Errors          []ProcessingError
	Meta            Meta
	Other           Object // top-level members we do not know, kept as sent
}

// LogEntry is a message, with the template and parameters it was made from when they were sent.
type LogEntry struct {
	Message   string // the template, empty when only the formatted text is known
	Formatted string
	Params    Value
}

// Exception is one error value with its stack trace.
type Exception struct {
	Type          string
	Value         string
	Module        string
	ThreadID      string
	Mechanism     *Mechanism
	Stacktrace    *Stacktrace
	RawStacktrace *Stacktrace // before symbolication or unminification
	Other         Object
}

// Mechanism says how an exception was captured and how it hangs together with others.
type Mechanism struct {
	Type             string
	Description      string
	HelpLink         string
	Source           string // attribute of the parent that holds this exception: __cause__, errors[0]
	Handled          *bool
	Synthetic        *bool
	IsExceptionGroup *bool
	ExceptionID      *int
	ParentID         *int
	Data             Object
	Meta             Object // signal, mach_exception, ns_error, errno
	Other            Object
}

// Stacktrace is a list of frames, outermost call first, the crash last.
type Stacktrace struct {
	Frames        []Frame
	Registers     Object
	Lang          string
	Snapshot      *bool
	FramesOmitted Value // [first, last] left out by the client
	Other         Object
}

// Frame is one call. InApp is nil when nobody decided yet.
type Frame struct {
	Function        string
	RawFunction     string // before trimming
	Symbol          string
	Module          string
	Package         string
	Filename        string
	AbsPath         string
	Platform        string // overrides the event's
	Lang            string
	Lineno          int // from 1; 0 is unknown
	Colno           int // from 1; 0 is unknown
	PreContext      []string
	ContextLine     *string
	PostContext     []string
	InApp           *bool
	StackStart      *bool
	Vars            Object
	InstructionAddr string
	SymbolAddr      string
	ImageAddr       string
	AddrMode        string
	Trust           string
	SourceLink      string
	Data            FrameData
	Lock            Value
	Other           Object
}

// FrameData is what processing remembers about a frame.
type FrameData struct {
	Sourcemap       string // URL of the map that resolved the frame
	ResolvedWith    string
	Category        string // set by stack-trace rules
	OrigInApp       *int   // before rules: 1, 0, -1 for unset
	ClientInApp     *bool
	OrigContextLine string
	Other           Object
}

// Thread is one thread of the process at the time of the event.
type Thread struct {
	ID            string
	Name          string
	State         string
	Crashed       *bool
	Current       *bool
	Main          *bool
	HeldLocks     Value
	Stacktrace    *Stacktrace
	RawStacktrace *Stacktrace
	Other         Object
}

// Template is the deprecated template-error interface.
type Template struct {
	Filename    string
	AbsPath     string
	Lineno      int
	PreContext  []string
	ContextLine string
	PostContext []string
}

// Breadcrumb is one thing that happened before the event.
type Breadcrumb struct {
	Timestamp time.Time
	Type      string
	Category  string
	Level     Level
	Message   string
	Data      Object
	EventID   string
	Origin    string
	Other     Object
}

// User is whom the event happened to.
type User struct {
	ID        string
	Email     string
	Username  string
	Name      string
	IPAddress string
	Segment   string
	Geo       Object
	Data      Object // unknown members of the wire form are moved here
}

// Key identifies the user for counting: the first of id, username, email, address that is known,
// with its prefix ("id:42"). Empty when nothing is known.
func (u *User) Key() string {
	switch {
	case u == nil:
		return ""
	case u.ID != "":
		return "id:" + u.ID
	case u.Username != "":
		return "username:" + u.Username
	case u.Email != "":
		return "email:" + u.Email
	case u.IPAddress != "":
		return "ip:" + u.IPAddress
	}
	return ""
}

// Names are what is known of the user, by kind: id, username, email, ip. The first is that of Key.
func (u *User) Names() []Pair {
	if u == nil {
		return nil
	}
	names := make([]Pair, 0, 4)
	for _, n := range [...]Pair{{"id", u.ID}, {"username", u.Username}, {"email", u.Email}, {"ip", u.IPAddress}} {
		if n.Value != "" {
			names = append(names, n)
		}
	}
	return names
}

// Request is the HTTP request that was being handled.
type Request struct {
	URL                 string
	Method              string
	Query               []Pair
	Fragment            string
	Cookies             []Pair
	Headers             []Pair
	Data                Value
	Env                 Object
	InferredContentType string
	APITarget           string
	Other               Object
}

// Header returns the value of the first header called name, in any case; empty when absent.
func (r *Request) Header(name string) string {
	if r == nil {
		return ""
	}
	for _, h := range r.Headers {
		if equalFold(h.Key, name) {
			return h.Value
		}
	}
	return ""
}

// Context is one named block of facts about the surroundings: device, os, runtime, trace …
// Its "type" member, when absent, is the name.
type Context struct {
	Name string
	Data Object
}

// Context returns the context called name, nil when there is none.
func (e *Event) Context(name string) Object {
	for i := range e.Contexts {
		if e.Contexts[i].Name == name {
			return e.Contexts[i].Data
		}
	}
	return nil
}

// Tag returns the value of a tag, and whether the event has it.
func (e *Event) Tag(key string) (string, bool) {
	for _, t := range e.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// SDK describes the client library.
type SDK struct {
	Name         string
	Version      string
	Integrations []string
	Features     []string
	Packages     Value
	InferIP      string // settings.infer_ip: auto, never, legacy; empty when not sent
	Settings     Object // the rest of settings
	Other        Object
}

// ProcessingError is one problem that processing met and survived, as the page shows it.
type ProcessingError struct {
	Type  string // invalid_data, clock_drift, future_timestamp, value_too_long, js_missing_source …
	Name  string // dotted path of the field
	Value Value  // what was sent, when small
}

// Unhandled reports whether an exception of the event reached the program's edge.
func (e *Event) Unhandled() bool {
	for i := range e.Exceptions {
		if m := e.Exceptions[i].Mechanism; m != nil && m.Handled != nil && !*m.Handled {
			return true
		}
	}
	return false
}

// Note adds a processing error, unless the event has one like it or too many.
func (e *Event) Note(p ProcessingError) {
	if len(e.Errors) >= maxErrors {
		return
	}
	for _, have := range e.Errors {
		if have.Type == p.Type && have.Name == p.Name {
			return
		}
	}
	e.Errors = append(e.Errors, p)
}

// TextValue is text as a value.
func TextValue(text string) Value {
	return appendString(make(Value, 0, len(text)+len(`""`)), text)
}

// Meta is the remarks about single fields, by dotted path ("exception.values.0.value").
// It is written as the protocol's _meta tree.
type Meta map[string]Remarks

// Remarks is what happened to one field.
// Rule: getsentry/relay relay-event-schema/src/processor (Meta)
type Remarks struct {
	Remarks []Remark
	Errors  []MetaError
	Length  int   // original length, 0 when unchanged
	Value   Value // original value, when small
}

// Remark is one change to a field: the rule, the kind of change ("s" substituted, "x" removed,
// "m" masked, "p" hashed, "a" annotated) and the range it covers in the new value, in characters.
type Remark struct {
	Rule       string
	Kind       string
	Start, End int
}

// MetaError is one reason why a field was dropped or changed.
type MetaError struct {
	Kind string
	Data Object
}
