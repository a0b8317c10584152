package event

import (
	"strings"
	"unicode/utf8"
)

// The lengths of texts that stand for an event in lists, in characters.
// Rule: getsentry/sentry src/sentry/eventtypes/error.py
const (
	titleLength = 256
	typeLength  = 128
	valueLength = 1024
)

// Metadata is what stands for an event where there is no room for it: in lists, alerts, commits.
// Type is empty for synthetic exceptions, and everything but Title and Culprit for messages.
type Metadata struct {
	Type     string `json:"type,omitempty"`
	Value    string `json:"value,omitempty"`
	Filename string `json:"filename,omitempty"` // of the frame to blame
	Function string `json:"function,omitempty"`
	Title    string `json:"title,omitempty"`
	Culprit  string `json:"culprit,omitempty"`
	Location string `json:"location,omitempty"` // where it happened, as the list shows it
}

// Metadata derives the title, the culprit and their parts. It needs a normalized event.
// Rule: getsentry/sentry src/sentry/eventtypes/error.py, src/sentry/culprit.py
func (e *Event) Metadata() Metadata {
	var m Metadata
	switch x := e.MainException(); {
	case x != nil && e.Type != TypeTransaction:
		m = e.errorMetadata(x)
	case e.Type == TypeTransaction:
		m.Title = first(cutTitle(e.Transaction), "<unlabeled transaction>")
	default:
		m.Title = first(cutTitle(firstLine(e.message())), "<unlabeled event>")
		if e.Type.security() {
			m.Location = e.reportLocation()
		}
	}
	m.Culprit = e.culprit()
	return m
}

// MainException is the exception that titles the event: the one that MainExceptionID names, else
// the last. Nil when there is none.
func (e *Event) MainException() *Exception {
	if len(e.Exceptions) == 0 {
		return nil
	}
	if e.MainExceptionID != nil {
		for i := range e.Exceptions {
			m := e.Exceptions[i].Mechanism
			if m != nil && m.ExceptionID != nil && *m.ExceptionID == *e.MainExceptionID {
				return &e.Exceptions[i]
			}
		}
	}
	return &e.Exceptions[len(e.Exceptions)-1]
}

// message is the text of the log entry.
func (e *Event) message() string {
	if e.LogEntry == nil {
		return ""
	}
	return first(e.LogEntry.Formatted, e.LogEntry.Message)
}

func (e *Event) errorMetadata(x *Exception) Metadata {
	m := Metadata{Value: cutTo(x.Value, valueLength)}
	if !x.synthetic() {
		m.Type = cutTo(first(x.Type, "Error"), typeLength)
	}
	if f := crashFrame(e.stackOf(x)); f != nil {
		m.Filename = first(f.Filename, f.AbsPath)
		m.Function = first(f.Function, f.RawFunction)
	}
	m.Location = m.Filename
	m.Title = e.errorTitle(x, m)
	return m
}

// errorTitle is "type: value". A synthetic type of a native crash is the name of a signal, which
// says less than the function; synthetic types elsewhere are as good as real ones.
func (e *Event) errorTitle(x *Exception, m Metadata) string {
	if x.synthetic() {
		switch e.Platform {
		case "native", "cocoa", "objc", "swift", "c":
			return first(m.Function, "<unknown>")
		}
	}
	kind, line := cutTo(x.Type, typeLength), cutTitle(firstLine(x.Value))
	switch {
	case kind == "":
		return first(line, m.Function, "<unknown>")
	case line == "":
		return kind
	}
	return kind + ": " + line
}

func (x *Exception) synthetic() bool {
	return x.Mechanism != nil && x.Mechanism.Synthetic != nil && *x.Mechanism.Synthetic
}

// stackOf is the stack trace of an exception, else the event's, else that of its only thread.
func (e *Event) stackOf(x *Exception) *Stacktrace {
	switch {
	case x != nil && x.Stacktrace != nil && len(x.Stacktrace.Frames) > 0:
		return x.Stacktrace
	case e.Stacktrace != nil:
		return e.Stacktrace
	case len(e.Threads) == 1:
		return e.Threads[0].Stacktrace
	}
	return nil
}

// crashFrame is the frame to blame: from the crash backwards the first of the application, else
// the first at all, among those with a function.
func crashFrame(s *Stacktrace) *Frame {
	if s == nil {
		return nil
	}
	var fallback *Frame
	for i := len(s.Frames) - 1; i >= 0; i-- {
		f := &s.Frames[i]
		if f.Function == "" || f.Function == "<redacted>" || f.Function == "<unknown>" {
			continue
		}
		if f.InApp != nil && *f.InApp {
			return f
		}
		if fallback == nil {
			fallback = f
		}
	}
	return fallback
}

func (e *Event) culprit() string {
	text := first(e.Culprit, e.Transaction)
	if text == "" {
		text = e.culpritFrame()
	}
	if text == "" && e.Request != nil {
		text = e.Request.URL
	}
	text, _ = cutText(text, limitCulprit)
	return text
}

func (e *Event) culpritFrame() string {
	stack := e.Stacktrace
	if n := len(e.Exceptions); n > 0 {
		if e.Exceptions[n-1].synthetic() {
			return ""
		}
		for i := n - 1; i >= 0; i-- {
			if s := e.Exceptions[i].Stacktrace; s != nil && len(s.Frames) > 0 {
				stack = s
				break
			}
		}
	}
	if stack == nil {
		return ""
	}
	fallback := ""
	for i := len(stack.Frames) - 1; i >= 0; i-- {
		f := &stack.Frames[i]
		switch inApp := f.InApp != nil && *f.InApp; {
		case inApp:
			if c := f.culprit(e.Platform); c != "" {
				return c
			}
		case i == len(stack.Frames)-1:
			fallback = f.culprit(e.Platform)
		}
	}
	return fallback
}

func (f *Frame) culprit(platform string) string {
	platform = first(f.Platform, platform)
	function := first(f.Function, "?")
	switch platform {
	case "objc", "cocoa", "native":
		return function
	}
	where := first(f.Module, f.Filename)
	if where == "" {
		return ""
	}
	if platform == "javascript" || platform == "node" {
		return function + "(" + where + ")"
	}
	return where + " in " + function
}

func firstLine(s string) string {
	s = strings.TrimLeft(s, "\r\n \t")
	if end := strings.IndexAny(s, "\r\n"); end >= 0 {
		s = s[:end]
	}
	return strings.TrimSpace(s)
}

func cutTitle(s string) string { return cutTo(s, titleLength) }

// cutTo cuts a text to most characters, the last three of which are dots then.
func cutTo(s string, most int) string {
	s, _ = cutText(s, limit{most, 0})
	return s
}

// cutText cuts a text past its limit; it returns the length before, in characters, zero when it
// was left alone.
func cutText(s string, l limit) (string, int) {
	if len(s) <= l.max+l.allow {
		return s, 0
	}
	length := utf8.RuneCountInString(s)
	if length <= l.max+l.allow {
		return s, 0
	}
	left := l.max - 3
	for i := range s {
		if left == 0 {
			return s[:i] + "...", length
		}
		left--
	}
	return s, 0
}
