package grouping

import (
	"strings"
	"unicode"

	"github.com/tocsin-dev/tocsin/internal/event"
)

const defaultVariable = "default"

// variableName returns NAME when the whole entry is {{ NAME }}. A name is anything without blanks.
func variableName(entry string) (string, bool) {
	inner, ok := strings.CutPrefix(entry, "{{")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, "}}")
	if inner = strings.TrimSpace(inner); !ok || inner == "" || strings.ContainsFunc(inner, unicode.IsSpace) {
		return "", false
	}
	return inner, true
}

// levelName is the word of the protocol for a severity, empty when there is none.
func levelName(l event.Level) string {
	switch l {
	case event.LevelSample:
		return "sample"
	case event.LevelDebug:
		return "debug"
	case event.LevelInfo:
		return "info"
	case event.LevelWarning:
		return "warning"
	case event.LevelError:
		return "error"
	case event.LevelFatal:
		return "fatal"
	}
	return ""
}

// facts looks up what fingerprint rules and variables ask about an event.
type facts struct {
	ev    *event.Event
	crash *event.Frame // nil without a stack trace
}

func factsOf(ev *event.Event) facts { return facts{ev: ev, crash: crashFrame(ev)} }

// crashFrame is the last in-app frame, else the last one, of the stack trace that matters most.
func crashFrame(ev *event.Event) *event.Frame {
	var trace *event.Stacktrace
	if n := len(ev.Exceptions); n > 0 {
		trace = ev.Exceptions[n-1].Stacktrace
	}
	if !hasFrames(trace) {
		trace = ev.Stacktrace
	}
	if !hasFrames(trace) && len(ev.Threads) == 1 {
		trace = ev.Threads[0].Stacktrace
	}
	if !hasFrames(trace) {
		return nil
	}
	for i := len(trace.Frames) - 1; i >= 0; i-- {
		if f := &trace.Frames[i]; f.InApp != nil && *f.InApp {
			return f
		}
	}
	return &trace.Frames[len(trace.Frames)-1]
}

func hasFrames(trace *event.Stacktrace) bool { return trace != nil && len(trace.Frames) > 0 }

func (f facts) lastException() *event.Exception {
	if n := len(f.ev.Exceptions); n > 0 {
		return &f.ev.Exceptions[n-1]
	}
	return nil
}

// message is the log message, else the value of the last exception.
func (f facts) message() string {
	if l := f.ev.LogEntry; l != nil {
		if l.Formatted != "" {
			return l.Formatted
		}
		if l.Message != "" {
			return l.Message
		}
	}
	if e := f.lastException(); e != nil {
		return e.Value
	}
	return ""
}

// isMessage reports whether text is one of the event's messages or exception values.
func (f facts) isMessage(text string) bool {
	if l := f.ev.LogEntry; l != nil && (l.Formatted == text || l.Message == text) {
		return true
	}
	for i := range f.ev.Exceptions {
		if f.ev.Exceptions[i].Value == text {
			return true
		}
	}
	return false
}

// variable returns the value of a fingerprint variable or the placeholder for a missing one. It
// reports false for a variable that does not exist.
func (f facts) variable(name string) (string, bool) {
	if tag, ok := strings.CutPrefix(name, "tags."); ok {
		v, _ := f.ev.Tag(tag)
		return either(v, "<no-value-for-tag-"+tag+">"), true
	}
	switch name {
	case "transaction":
		return either(f.ev.Transaction, "<no-transaction>"), true
	case "message":
		return either(f.message(), "<no-message>"), true
	case "level":
		return either(levelName(f.ev.Level), "<no-level>"), true
	case "logger":
		return either(f.ev.Logger, "<no-logger>"), true
	case "type", "error.type":
		if e := f.lastException(); e != nil {
			return either(e.Type, "<no-type>"), true
		}
		return "<no-type>", true
	case "value", "error.value":
		if e := f.lastException(); e != nil {
			return either(e.Value, "<no-value>"), true
		}
		return "<no-value>", true
	}
	return f.frameVariable(name)
}

// frameVariable returns the variables that look at the crash frame.
func (f facts) frameVariable(name string) (string, bool) {
	frame := f.crash
	if frame == nil {
		frame = &event.Frame{}
	}
	switch name {
	case "function", "stack.function":
		return either(frame.Function, "<no-function>"), true
	case "path", "stack.abs_path":
		return either(either(frame.AbsPath, frame.Filename), "<no-abs-path>"), true
	case "stack.filename":
		return either(either(frame.Filename, frame.AbsPath), "<no-filename>"), true
	case "module", "stack.module":
		return either(frame.Module, "<no-module>"), true
	case "package", "stack.package":
		return either(lastSegment(frame.Package), "<no-package>"), true
	}
	return "", false
}

func either(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// resolve replaces the variables of a fingerprint by their values. Entries that are the default
// variable stay. Messages lose what differs between events.
func (f facts) resolve(fingerprint []string, cfg Config) []string {
	out := make([]string, len(fingerprint))
	for i, entry := range fingerprint {
		name, ok := variableName(entry)
		if !ok {
			if f.isMessage(entry) {
				entry = Parameterize(entry)
			}
			out[i] = entry
			continue
		}
		value, known := f.variable(name)
		switch {
		case name == defaultVariable:
			value = entry
		case !known && cfg.nameUnknownVariables:
			value = "<unrecognized-variable-" + name + ">"
		case !known:
			value = entry
		case name == "message":
			value = Parameterize(value)
		}
		out[i] = value
	}
	return out
}

// expand replaces every variable in the template of a title.
func (f facts) expand(template string, cfg Config) string {
	var b strings.Builder
	for {
		start := strings.Index(template, "{{")
		if start < 0 {
			break
		}
		n := strings.Index(template[start:], "}}")
		if n < 0 {
			break
		}
		end := start + n + 2
		b.WriteString(template[:start])
		name, ok := variableName(template[start:end])
		value, known := "", false
		if ok {
			value, known = f.variable(name)
		}
		switch {
		case known:
			b.WriteString(value)
		case ok && cfg.nameUnknownVariables:
			b.WriteString("<unrecognized-variable-" + name + ">")
		default:
			b.WriteString(template[start:end])
		}
		template = template[end:]
	}
	b.WriteString(template)
	return b.String()
}
