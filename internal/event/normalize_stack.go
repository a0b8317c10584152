package event

import (
	"strings"
	"unicode"
)

// stacks cleans every stack trace of the event.
// Rule: getsentry/relay relay-event-normalization/src/stacktrace.rs
func (n *normalizer) stacks() {
	n.Stacktrace = cleanStack(n.Stacktrace)
	for i := range n.Exceptions {
		x := &n.Exceptions[i]
		x.Stacktrace, x.RawStacktrace = cleanStack(x.Stacktrace), cleanStack(x.RawStacktrace)
	}
	for i := range n.Threads {
		t := &n.Threads[i]
		t.Stacktrace, t.RawStacktrace = cleanStack(t.Stacktrace), cleanStack(t.RawStacktrace)
	}
}

// cleanStack cleans the frames; nil when the stack trace says nothing.
func cleanStack(s *Stacktrace) *Stacktrace {
	if s == nil {
		return nil
	}
	if len(s.Frames) == 0 && s.Registers == nil && s.Lang == "" && s.Snapshot == nil &&
		s.FramesOmitted == nil && s.Other == nil {
		return nil
	}
	for i := range s.Frames {
		s.Frames[i].clean()
	}
	slimFrames(s.Frames)
	return s
}

func (f *Frame) clean() {
	if f.AbsPath == "" {
		f.AbsPath, f.Filename = f.Filename, ""
	}
	if f.Filename == "" {
		f.Filename = f.AbsPath
		if path := urlPath(f.AbsPath); path != "" && path != "/" {
			f.Filename = path
		}
	}
	if f.Function == "?" {
		f.Function = ""
	}
	if f.Symbol == "?" {
		f.Symbol = ""
	}
}

// urlPath is the path of a URL that browsers give for source files; empty when s is none.
func urlPath(s string) string {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return ""
	}
	switch scheme {
	case "http", "https", "file", "applewebdata":
	default:
		return ""
	}
	if host, found := strings.CutPrefix(rest, "//"); found {
		slash := strings.IndexAny(host, "/?#")
		if slash < 0 {
			return ""
		}
		rest = host[slash:]
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// slimFrames takes variables and surrounding lines from frames in the middle of a long stack
// trace: of libraries first, of the application only when that is not enough.
// Rule: getsentry/relay relay-event-normalization/src/trimming.rs (slim_frame_data)
func slimFrames(frames []Frame) {
	if len(frames) <= fullFrames {
		return
	}
	var app, system []int
	for i := range frames {
		if f := &frames[i]; f.InApp != nil && *f.InApp {
			app = append(app, i)
		} else {
			system = append(system, i)
		}
	}
	half := max(0, fullFrames-len(app)) / 2
	slimmed := 0
	for at := half; at < len(system)-half; at++ {
		frames[system[at]].slim()
		slimmed++
	}
	remaining := max(0, len(frames)-fullFrames-slimmed)
	half = max(0, len(app)-remaining) / 2
	for at := half; remaining > 0 && at < len(app)-half; at++ {
		frames[app[at]].slim()
	}
}

func (f *Frame) slim() { f.Vars, f.PreContext, f.PostContext = nil, nil, nil }

// exceptions drops exceptions that say nothing and completes the rest.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_exceptions)
func (n *normalizer) exceptions() {
	kept := n.Exceptions[:0]
	for i := range n.Exceptions {
		x := n.Exceptions[i]
		if x.Type == "" && x.Value == "" {
			n.lost("exception.values", "missing_attribute", "exception without type and value", "")
			if n.Stacktrace == nil {
				n.Stacktrace = x.Stacktrace
			}
			continue
		}
		if x.Type == "" {
			x.Type, x.Value = splitValue(x.Value)
		}
		if m := x.Mechanism; m != nil && m.Type == "" {
			m.Type = "generic"
		}
		kept = append(kept, x)
	}
	clear(n.Exceptions[len(kept):])
	if n.Exceptions = kept; len(kept) == 0 {
		n.Exceptions = nil
	}
	if len(kept) == 1 && kept[0].Stacktrace == nil && n.Stacktrace != nil {
		kept[0].Stacktrace, n.Stacktrace = n.Stacktrace, nil
	}
}

// splitValue splits "Word: rest" of one line; the type is empty when the value does not look like it.
func splitValue(value string) (string, string) {
	word, rest, ok := strings.Cut(value, ":")
	if !ok || word == "" || strings.Contains(rest, "\n") || len(word) > limitKey.max {
		return "", value
	}
	for _, c := range word {
		if c != '_' && !unicode.In(c, unicode.L, unicode.M, unicode.Nd) {
			return "", value
		}
	}
	return word, strings.TrimSpace(rest)
}
