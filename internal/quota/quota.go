// Package quota owns limits by category: the headers that tell clients about them, and the
// limiter that enforces a client key's rate.
package quota

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Header is the response header that carries limits.
const Header = "X-Sentry-Rate-Limits"

// Scope says what a limit applies to.
type Scope string

// The scopes of the protocol.
const (
	ScopeOrganization Scope = "organization"
	ScopeProject      Scope = "project"
	ScopeKey          Scope = "key"
)

// Limit tells a client to send nothing of some categories for a while.
type Limit struct {
	After      time.Duration      // until the limit ends; written in whole seconds, rounded up
	Categories []outcome.Category // empty is every category
	Scope      Scope
	Reason     string
	Namespaces []string // of metric buckets
}

// MaxAfter is the longest time a client is told to wait.
// Rule: getsentry/relay relay-config/src/config.rs (max_rate_limit)
const MaxAfter = 300 * time.Second

// Seconds is the whole number of seconds that clients are told to wait: at least one, at most
// MaxAfter.
func Seconds(after time.Duration) int {
	after = min(max(after, time.Second), MaxAfter)
	return int(math.Ceil(after.Seconds()))
}

// Has reports whether l limits c.
func (l Limit) Has(c outcome.Category) bool {
	return len(l.Categories) == 0 || slices.Contains(l.Categories, c)
}

// FormatHeader writes limits as the header's value; empty for none.
// Rule: https://develop.sentry.dev/sdk/expected-features/rate-limiting/
func FormatHeader(limits []Limit) string {
	var b []byte
	for i, l := range limits {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, int64(Seconds(l.After)), 10)
		b = append(b, ':')
		for j, c := range l.Categories {
			if j > 0 {
				b = append(b, ';')
			}
			b = append(b, c.String()...)
		}
		b = append(append(b, ':'), l.Scope...)
		if l.Reason != "" || len(l.Namespaces) > 0 {
			b = append(append(b, ':'), l.Reason...)
		}
		if len(l.Namespaces) > 0 {
			b = append(append(b, ':'), strings.Join(l.Namespaces, ";")...)
		}
	}
	return string(b)
}

// Bounds on what ParseHeader reads.
const (
	maxHeader = 8 << 10
	maxLimits = 100
)

// ParseHeader reads a header's value as clients do: limits without a readable time are skipped,
// unknown categories are left out, fields past the namespaces are ignored, and a limit that names
// only unknown categories limits nothing and is dropped.
func ParseHeader(s string) []Limit {
	if len(s) > maxHeader {
		s = s[:maxHeader]
	}
	var limits []Limit
	for part := range strings.SplitSeq(s, ",") {
		if l, ok := parseLimit(strings.TrimSpace(part)); ok && len(limits) < maxLimits {
			limits = append(limits, l)
		}
	}
	return limits
}

func parseLimit(s string) (Limit, bool) {
	fields := strings.SplitN(s, ":", 6)
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(seconds >= 0) || len(fields) < 2 {
		return Limit{}, false
	}
	l := Limit{After: time.Duration(math.Ceil(min(seconds, 1e9))) * time.Second}
	if fields[1] != "" {
		for name := range strings.SplitSeq(fields[1], ";") {
			if c, ok := outcome.ParseCategory(name); ok && !slices.Contains(l.Categories, c) {
				l.Categories = append(l.Categories, c)
			}
		}
		if l.Categories == nil {
			return Limit{}, false
		}
	}
	if len(fields) > 2 {
		l.Scope = Scope(strings.TrimSpace(fields[2]))
	}
	if len(fields) > 3 {
		l.Reason = strings.TrimSpace(fields[3])
	}
	if len(fields) > 4 {
		for name := range strings.SplitSeq(fields[4], ";") {
			if name = strings.TrimSpace(name); name != "" {
				l.Namespaces = append(l.Namespaces, name)
			}
		}
	}
	return l, true
}
