package api

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// field is one column of a search of events.
type field struct {
	name    string // as it was asked for
	plain   string // what it reads, where it is no function
	kind    string // of its values, as meta tells
	counts  bool   // it is a function of many events
	measure postgres.Measure
	per     time.Duration // epm and eps: counted over so long
}

var functionForm = regexp.MustCompile(`^([a-z_][a-z0-9_]*)\((.*)\)$`)

// spelledAs are further names of what fields read.
var spelledAs = map[string]string{"user.ip_address": "user.ip", "trace.trace_id": "trace", "stack.file": "stack.filename", "url": "http.url", "event_id": "id"}

const maxFieldBytes = 200

// parseField reads a field or a function. fault.Invalid: it is neither.
func parseField(name string) (field, error) {
	f := field{name: name, plain: name, kind: "string"}
	if len(name) > maxFieldBytes {
		return f, fault.New(fault.Invalid, "Invalid field: %.40q", name)
	}
	if strings.HasPrefix(name, "equation|") {
		return f, fault.New(fault.Invalid, "Equations are not supported by this server: %.80q", name)
	}
	if m := functionForm.FindStringSubmatch(name); m != nil {
		return f.function(m[1], strings.TrimSpace(m[2]))
	}
	if strings.ContainsAny(name, "()") {
		return f, fault.New(fault.Invalid, "Invalid field: %.40q", name)
	}
	if to := spelledAs[name]; to != "" {
		f.plain = to
	}
	switch kind, _ := search.PropertyKind(f.plain); {
	case name == "project.id" || name == "issue.id":
		f.kind = "integer"
	case strings.HasPrefix(name, "timestamp"):
		f.kind = "date"
	case name == "error.handled" || name == "error.unhandled" || kind == search.KindWord:
		f.kind = "boolean"
	case strings.HasPrefix(name, "stack."):
		f.kind = "array"
	case kind == search.KindReal:
		f.kind = "number"
	}
	return f, nil
}

func (f field) function(name, of string) (field, error) {
	f.counts, f.kind = true, "integer"
	switch name {
	case "epm", "eps":
		if of != "" {
			return f, fault.New(fault.Invalid, "%s() takes no field", name)
		}
		f.kind, f.per, f.measure = "number", map[string]time.Duration{"epm": time.Minute, "eps": time.Second}[name], postgres.Measure{Kind: postgres.CountEvents}
		return f, nil
	}
	if to := spelledAs[of]; to != "" {
		of = to
	}
	var err error
	if f.measure, err = postgres.Measured(name, of); f.measure.Kind == postgres.FirstEvent || f.measure.Kind == postgres.LastEvent {
		f.kind = "date"
	}
	return f, err
}

// find is the place of a field that an order names, as it was asked for or as older clients spell a
// function: count_unique_user.
func (d *discovery) find(name string) int {
	for i, f := range d.fields {
		if f.name == name || f.counts && alias(f.name) == name {
			return i
		}
	}
	return -1
}

var aliased = strings.NewReplacer("(", "_", ")", "", ".", "_")

func alias(function string) string { return strings.TrimSuffix(aliased.Replace(function), "_") }

// value is what an event has under the field, as clients read it; null for nothing.
func (f *field) value(texts []string, slugs map[string]string) any {
	if f.kind == "array" {
		return append([]string{}, texts...)
	}
	if len(texts) == 0 {
		switch f.plain {
		case "title", "message", "culprit", "platform", "level", "location":
			return ""
		}
		return nil
	}
	text := texts[0]
	switch f.plain {
	case "project", "project.name":
		return slugs[text]
	case "issue":
		p, number, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil
		}
		return project.ShortID(slugs[p], n)
	case "level":
		n, err := strconv.ParseInt(text, 10, 16)
		if err != nil {
			return nil
		}
		return event.Level(n).String()
	}
	switch f.kind {
	case "integer":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
		return nil
	case "number":
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
		return nil
	case "boolean":
		return text == "true"
	}
	return text
}

// measured is a function's value; period is what rates are over.
func (f *field) measured(n int64, period time.Duration) any {
	switch {
	case f.per > 0:
		return rate(n, period, f.per)
	case f.kind == "date" && n == 0:
		return nil
	case f.kind == "date":
		return time.UnixMilli(n).UTC()
	}
	return n
}

func rate(n int64, period, per time.Duration) float64 {
	if period <= 0 {
		return 0
	}
	return float64(n) / (float64(period) / float64(per))
}
