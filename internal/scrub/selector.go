package scrub

import "strings"

// kinds is a set of value types that selectors can name.
type kinds uint32

// The value types of selectors.
const (
	kindString kinds = 1 << iota
	kindNumber
	kindBoolean
	kindDateTime
	kindArray
	kindObject
	kindEvent
	kindAttachments
	kindException
	kindStacktrace
	kindFrame
	kindRequest
	kindUser
	kindLogEntry
	kindThread
	kindBreadcrumb
	kindSpan
	kindSDK
	kindLog
	kindMinidump
	kindHeap
	kindStack
	kindBinary

	basicKinds   = kindString | kindNumber | kindBoolean | kindDateTime | kindArray | kindObject | kindBinary
	defaultKinds = kindString | kindNumber | kindArray | kindObject
)

var kindNames = map[string]kinds{
	"string": kindString, "number": kindNumber, "boolean": kindBoolean, "datetime": kindDateTime, "array": kindArray,
	"object": kindObject, "event": kindEvent, "attachments": kindAttachments, "exception": kindException,
	"error": kindException, "stacktrace": kindStacktrace, "frame": kindFrame, "request": kindRequest, "http": kindRequest,
	"user": kindUser, "logentry": kindLogEntry, "message": kindLogEntry, "thread": kindThread, "breadcrumb": kindBreadcrumb,
	"span": kindSpan, "sdk": kindSDK, "log": kindLog, "minidump": kindMinidump, "heap_memory": kindHeap,
	"stack_memory": kindStack, "binary": kindBinary,
}

// mark says how readily a field gives way to rules.
type mark uint8

const (
	markNo    mark = iota // never
	markMaybe             // to selectors that name it
	markYes               // to all
)

// element is one step from the event to a value.
type element struct {
	key   string
	index int // position in a list; -1 for a member
	pair  int // position of a pair that is selected by its key; -1 for others
	kinds kinds
}

// place is the value that a selector is asked about: its elements, the last being itself.
type place struct {
	path   []element
	mark   mark
	exempt bool // from the built-in rules
}

func (p *place) leaf() *element { return &p.path[len(p.path)-1] }

// selector says whether rules apply to a place.
type selector interface {
	match(p *place) bool
	files() bool // whether an attachment can match
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepType
	stepAny  // *
	stepDeep // **
)

// pathStep is one part of a path selector.
type pathStep struct {
	kind  stepKind
	key   string
	index int
	kinds kinds
}

// pathSelector matches a place by its path. One that begins with a name and goes on starts at the
// event; any other may start anywhere.
type pathSelector struct {
	steps  []pathStep
	rooted bool
}

func (s *pathSelector) match(p *place) bool {
	if p.mark == markNo || p.mark == markMaybe && !s.specific() {
		return false
	}
	return s.matchFrom(len(s.steps)-1, len(p.path)-1, p)
}

// matchFrom compares the steps up to i with the elements up to j, from their ends.
func (s *pathSelector) matchFrom(i, j int, p *place) bool {
	for ; i >= 0; i-- {
		step := &s.steps[i]
		if step.kind == stepDeep {
			for ; j >= -1; j-- {
				if s.matchFrom(i-1, j, p) {
					return true
				}
			}
			return false
		}
		if j < 0 || !step.match(&p.path[j]) {
			return false
		}
		j--
	}
	return !s.rooted || j < 0
}

// specific reports whether the selector names what it matches: no **, and of types only one of the
// event's parts, in front.
func (s *pathSelector) specific() bool {
	for i := range s.steps {
		switch step := &s.steps[i]; step.kind {
		case stepDeep:
			return false
		case stepType:
			if i > 0 || step.kinds&basicKinds != 0 {
				return false
			}
		}
	}
	return true
}

func (s *pathSelector) files() bool { return true }

func (s *pathStep) match(e *element) bool {
	switch s.kind {
	case stepKey:
		return e.key != "" && len(e.key) == len(s.key) && strings.EqualFold(e.key, s.key)
	case stepIndex:
		return e.index == s.index || e.pair == s.index
	case stepType:
		return e.kinds&s.kinds != 0
	}
	return true
}

type (
	orSelector  []selector
	andSelector []selector
	notSelector struct{ inner selector }
)

func (s orSelector) match(p *place) bool {
	for _, inner := range s {
		if inner.match(p) {
			return true
		}
	}
	return false
}

func (s andSelector) match(p *place) bool {
	for _, inner := range s {
		if !inner.match(p) {
			return false
		}
	}
	return true
}

func (s notSelector) match(p *place) bool { return p.mark != markNo && !s.inner.match(p) }

func (s orSelector) files() bool  { return true }
func (s andSelector) files() bool { return true }
func (s notSelector) files() bool { return true }

// defaultSelector is where the built-in rules apply: everything that may be personal, except what
// is exempt or excluded by the project.
type defaultSelector struct{ excluded []selector }

func (s *defaultSelector) match(p *place) bool {
	if p.mark != markYes || p.exempt || p.leaf().kinds&defaultKinds == 0 {
		return false
	}
	for _, e := range s.excluded {
		if e.match(p) {
			return false
		}
	}
	return true
}

func (s *defaultSelector) files() bool { return false }

// strictSelector is where the strict rules apply: every text that is looked at.
type strictSelector struct{}

func (strictSelector) match(p *place) bool { return p.mark != markNo && p.leaf().kinds&kindString != 0 }
func (strictSelector) files() bool         { return false }

// sensitiveCookies are the names of cookies that stand for a login.
// Rule: getsentry/relay relay-pii/src/convert.rs (SENSITIVE_COOKIES)
var sensitiveCookies = map[string]bool{
	"sentrysid": true, "sudo": true, "su": true, "session": true, "__session": true, "sessionid": true,
	"user_session": true, "symfony": true, "phpsessid": true, "fasthttpsessionid": true, "mysession": true,
	"irissessionid": true, "_vercel_jwt": true, "csrf": true, "xsrf": true, "_xsrf": true, "_csrf": true,
	"csrf-token": true, "csrf_token": true, "xsrf-token": true, "xsrf_token": true, "fastcsrf": true, "_iris_csrf": true,
}

const cookieAttribute = "http.request.header.cookie"

// cookieSelector is where such cookies stand by themselves.
type cookieSelector struct{}

func (cookieSelector) match(p *place) bool {
	e := p.leaf()
	if p.mark == markNo || len(e.key) < 2 {
		return false
	}
	if n := len(cookieAttribute); len(e.key) >= n && strings.EqualFold(e.key[:n], cookieAttribute) {
		return len(e.key) == n || e.key[n] == '.' && sensitiveCookies[strings.ToLower(e.key[n+1:])]
	}
	if len(p.path) < 2 || !strings.EqualFold(p.path[len(p.path)-2].key, "cookies") {
		return false
	}
	return len(e.key) <= 20 && sensitiveCookies[strings.ToLower(e.key)]
}

func (cookieSelector) files() bool { return false }

// cookieHeaderSelector is where all cookies stand in one text.
type cookieHeaderSelector struct{}

func (cookieHeaderSelector) match(p *place) bool {
	key := p.leaf().key
	return p.mark != markNo && (strings.EqualFold(key, "cookie") || strings.EqualFold(key, "set-cookie") ||
		strings.EqualFold(key, "cookies") || strings.EqualFold(key, "http_cookie"))
}

func (cookieHeaderSelector) files() bool { return false }
