package filter

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// subject is what a condition looks at: an event, or one exception of it. steps is the work that
// patterns may still do.
type subject struct {
	ev    *event.Event
	item  *event.Exception
	steps *int
}

// kind is the type of a scalar.
type kind uint8

const (
	kindNone kind = iota // absent or null
	kindText
	kindNumber
	kindBool
)

// scalar is a value that conditions compare.
type scalar struct {
	kind   kind
	text   string
	number float64
	truth  bool
}

func text(s string) scalar {
	if s == "" {
		return scalar{}
	}
	return scalar{kind: kindText, text: s}
}

func scalarOf(v any) (scalar, bool) {
	switch v := v.(type) {
	case nil:
		return scalar{}, true
	case string:
		return scalar{kind: kindText, text: v}, true
	case float64:
		return scalar{kind: kindNumber, number: v}, true
	case bool:
		return scalar{kind: kindBool, truth: v}, true
	}
	return scalar{}, false
}

// field reads one value of a subject.
type field func(subject) scalar

// plainFields are the fields without a parameter.
// Rule: getsentry/relay relay-event-schema/src/protocol/event.rs (Getter)
var plainFields = map[string]field{
	"event.level":       func(s subject) scalar { return text(s.ev.Level.String()) },
	"event.type":        func(s subject) scalar { return text(string(s.ev.Type)) },
	"event.release":     func(s subject) scalar { return text(s.ev.Release) },
	"event.dist":        func(s subject) scalar { return text(s.ev.Dist) },
	"event.environment": func(s subject) scalar { return text(s.ev.Environment) },
	"event.transaction": func(s subject) scalar { return text(s.ev.Transaction) },
	"event.logger":      func(s subject) scalar { return text(s.ev.Logger) },
	"event.platform":    func(s subject) scalar { return text(s.ev.Platform) },

	"event.release.version.short": func(s subject) scalar { return text(shortVersion(s.ev.Release)) },
	"event.logentry.formatted": func(s subject) scalar {
		if s.ev.LogEntry == nil {
			return scalar{}
		}
		return text(s.ev.LogEntry.Formatted)
	},
	"event.logentry.message": func(s subject) scalar {
		if s.ev.LogEntry == nil {
			return scalar{}
		}
		return text(s.ev.LogEntry.Message)
	},
	"event.user.id":         userField(func(u *event.User) string { return u.ID }),
	"event.user.email":      userField(func(u *event.User) string { return u.Email }),
	"event.user.username":   userField(func(u *event.User) string { return u.Username }),
	"event.user.name":       userField(func(u *event.User) string { return u.Name }),
	"event.user.ip_address": userField(func(u *event.User) string { return u.IPAddress }),
	"event.user.segment":    userField(func(u *event.User) string { return u.Segment }),
	"event.request.url":     requestField(func(q *event.Request) string { return q.URL }),
	"event.request.method":  requestField(func(q *event.Request) string { return q.Method }),
	"event.sdk.name":        sdkField(func(k *event.SDK) string { return k.Name }),
	"event.sdk.version":     sdkField(func(k *event.SDK) string { return k.Version }),
}

// itemFields are the fields of an exception, inside any and all.
var itemFields = map[string]field{
	"ty":     func(s subject) scalar { return text(s.item.Type) },
	"type":   func(s subject) scalar { return text(s.item.Type) },
	"value":  func(s subject) scalar { return text(s.item.Value) },
	"module": func(s subject) scalar { return text(s.item.Module) },
}

func userField(get func(*event.User) string) field {
	return func(s subject) scalar {
		if s.ev.User == nil {
			return scalar{}
		}
		return text(get(s.ev.User))
	}
}

func requestField(get func(*event.Request) string) field {
	return func(s subject) scalar {
		if s.ev.Request == nil {
			return scalar{}
		}
		return text(get(s.ev.Request))
	}
}

func sdkField(get func(*event.SDK) string) field {
	return func(s subject) scalar {
		if s.ev.SDK == nil {
			return scalar{}
		}
		return text(get(s.ev.SDK))
	}
}

// fieldOf finds a field by name; inside a quantifier also those of the item.
func fieldOf(name string, item bool) (field, bool) {
	if f, ok := itemFields[name]; ok && item {
		return f, true
	}
	if f, ok := plainFields[name]; ok {
		return f, true
	}
	rest, ok := strings.CutPrefix(name, "event.")
	if !ok {
		return nil, false
	}
	group, param, ok := strings.Cut(rest, ".")
	if !ok || param == "" {
		return nil, false
	}
	switch group {
	case "tags":
		return func(s subject) scalar { v, _ := s.ev.Tag(param); return text(v) }, true
	case "extra":
		return func(s subject) scalar { return follow(s.ev.Extra, param) }, true
	case "contexts":
		block, path, ok := strings.Cut(param, ".")
		return func(s subject) scalar { return follow(s.ev.Context(block), path) }, ok && path != ""
	case "user":
		path, ok := strings.CutPrefix(param, "data.")
		return func(s subject) scalar {
			if s.ev.User == nil {
				return scalar{}
			}
			return follow(s.ev.User.Data, path)
		}, ok && path != ""
	case "request":
		header, ok := strings.CutPrefix(param, "headers.")
		return func(s subject) scalar { return text(s.ev.Request.Header(header)) }, ok && header != ""
	}
	return nil, false
}

// follow reads a dotted path of an object.
func follow(o event.Object, path string) scalar {
	if v := o.Get(path); v != nil {
		return plain(v)
	}
	head, rest, more := strings.Cut(path, ".")
	v := o.Get(head)
	if !more || len(v) == 0 {
		return scalar{}
	}
	var inner any
	if json.Unmarshal(v, &inner) != nil {
		return scalar{}
	}
	for part := range strings.SplitSeq(rest, ".") {
		m, ok := inner.(map[string]any)
		if !ok {
			return scalar{}
		}
		inner = m[part]
	}
	s, _ := scalarOf(inner)
	return s
}

func plain(v event.Value) scalar {
	if len(v) == 0 || v[0] == '{' || v[0] == '[' {
		return scalar{}
	}
	if text, ok := bare(v); ok {
		return scalar{kind: kindText, text: text}
	}
	var out any
	if json.Unmarshal(v, &out) != nil {
		return scalar{}
	}
	s, _ := scalarOf(out)
	return s
}

// bare is the text of a JSON string of ASCII without escapes, as most are.
func bare(v event.Value) (string, bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return "", false
	}
	text := v[1 : len(v)-1]
	for _, c := range text {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return "", false
		}
	}
	return string(text), true
}

// textOf is a JSON string as text, empty when it is none.
func textOf(v event.Value) string { return plain(v).text }

// shortVersion is the version of a release without package and build: 1.2.3-rc.1 of
// "shop@1.2.3-rc.1+build.7". Empty when the release holds no version.
func shortVersion(release string) string {
	if i := strings.LastIndexByte(release, '@'); i >= 0 {
		release = release[i+1:]
	}
	version, _, _ := strings.Cut(release, "+")
	if version == "" || version[0] < '0' || version[0] > '9' || !strings.Contains(version, ".") {
		return ""
	}
	return version
}
