package event

import (
	"strings"
	"unicode/utf8"
)

// versions validates release, dist and environment; what is invalid is dropped and remarked.
// Rule: getsentry/relay relay-event-normalization/src/validation.rs
func (n *normalizer) versions() {
	n.verify("release", &n.Release, ValidRelease)
	n.verify("dist", &n.Dist, validDist)
	n.verify("environment", &n.Environment, ValidEnvironment)
	n.verify("logger", &n.Logger, func(s string) bool { return !strings.ContainsAny(s, "\r\n") })
	n.Transaction = strings.TrimSpace(n.Transaction)
	if n.Platform == "java" {
		n.Logger = shortLogger(n.Logger)
	}
}

func (n *normalizer) verify(name string, s *string, valid func(string) bool) {
	*s = strings.TrimSpace(*s)
	if *s != "" && !valid(*s) {
		n.lost(name, "invalid_data", "invalid "+name, *s)
		*s = ""
	}
}

// ValidRelease reports whether s may name a release: at most 200 characters, no slash, backslash
// or control character, and neither "." nor ".." nor "latest".
// Rule: getsentry/relay relay-event-normalization/src/validation.rs
func ValidRelease(s string) bool {
	return validName(s, limitRelease) && !strings.EqualFold(s, "latest")
}

// ValidEnvironment reports whether s may name an environment: at most 64 characters, no slash,
// backslash or control character, and neither "." nor ".." nor "none".
// Rule: getsentry/relay relay-event-normalization/src/validation.rs
func ValidEnvironment(s string) bool {
	return validName(s, limitShortName) && !strings.EqualFold(s, "none")
}

func validName(s string, most int) bool {
	if s == "" || s == "." || s == ".." || len(s) > most && utf8.RuneCountInString(s) > most {
		return false
	}
	for _, c := range s {
		if c == '/' || c == '\\' || c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func validDist(s string) bool {
	if len(s) > limitShortName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// shortLogger cuts an overlong Java logger name on the left, at a dot, and marks it with a star.
func shortLogger(s string) string {
	if len(s) <= limitLogger.max {
		return s
	}
	tail := s[len(s)-limitLogger.max+1:]
	if dot := strings.IndexByte(tail, '.'); dot >= 0 {
		return "*" + tail[dot:]
	}
	return s
}

// logEntry makes the formatted text of a message.
// Rule: getsentry/relay relay-event-normalization/src/logentry.rs
func (n *normalizer) logEntry() {
	l := n.LogEntry
	if l == nil {
		return
	}
	if l.Message == "" && l.Formatted == "" {
		if l.Params != nil {
			n.lost("logentry", "invalid_data", "parameters without a message", "")
		}
		n.LogEntry = nil
		return
	}
	if l.Formatted == "" && l.Params != nil {
		l.Formatted = formatMessage(l.Message, l.Params)
	}
	if l.Formatted == "" || l.Formatted == l.Message {
		l.Formatted, l.Message = first(l.Message, l.Formatted), ""
	}
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// breadcrumbs fills the defaults of breadcrumbs.
func (n *normalizer) breadcrumbs() {
	for i := range n.Breadcrumbs {
		b := &n.Breadcrumbs[i]
		if b.Type == "" {
			b.Type = "default"
		}
		if b.Level == 0 {
			b.Level = LevelInfo
		}
	}
}
