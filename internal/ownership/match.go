package ownership

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// maxFrames bounds the part of a stack that rules look at, from the failing frame on.
const maxFrames = 100

// Facts are what rules look at.
type Facts struct {
	Paths   []string // of frames, the failing one first
	Modules []string
	URL     string
	Tags    []event.Pair
}

// FactsOf takes them from an event: the frames of its program, or all when none is.
func FactsOf(e *event.Event) Facts {
	f := Facts{Tags: e.Tags}
	if e.Request != nil {
		f.URL = e.Request.URL
	}
	frames := e.FailingFrames()
	for i := range frames[:min(len(frames), maxFrames)] {
		fr := &frames[i]
		for _, p := range [...]string{fr.Filename, fr.AbsPath} {
			if p = cleanPath(p); p != "" {
				f.Paths = append(f.Paths, p)
			}
		}
		if fr.Module != "" {
			f.Modules = append(f.Modules, fr.Module)
		}
	}
	return f
}

// cleanPath is a path with forward slashes and without what bundlers put in front of it.
func cleanPath(p string) string {
	p = strings.ReplaceAll(p, `\`, "/")
	for _, prefix := range [...]string{"webpack:///", "webpack-internal:///", "app:///", "~/", "./"} {
		p = strings.TrimPrefix(p, prefix)
	}
	return strings.TrimPrefix(p, "./")
}

// Match returns the last rule that matches; nil: none does.
func (rs Rules) Match(f Facts) *Rule {
	for i := len(rs) - 1; i >= 0; i-- {
		if rs[i].matches(f) {
			return &rs[i]
		}
	}
	return nil
}

func (r *Rule) matches(f Facts) bool {
	switch r.Kind {
	case Path:
		return r.any(f.Paths, "/")
	case Module:
		return r.any(f.Modules, "")
	case URL:
		return f.URL != "" && r.match.MatchString(f.URL)
	case Tag:
		for i := range f.Tags {
			if strings.EqualFold(f.Tags[i].Key, r.Tag) && r.match.MatchString(f.Tags[i].Value) {
				return true
			}
		}
	case CodeOwners:
		for _, p := range f.Paths {
			if r.match.MatchString(strings.TrimPrefix(p, "/")) {
				return true
			}
		}
	}
	return false
}

// any reports whether one of the texts matches, with or without the mark in front of it.
func (r *Rule) any(texts []string, mark string) bool {
	for _, t := range texts {
		if r.match.MatchString(t) || mark != "" && (r.match.MatchString(mark+strings.TrimPrefix(t, mark)) || r.match.MatchString(strings.TrimPrefix(t, mark))) {
			return true
		}
	}
	return false
}
