package artifact

import (
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// contextLines is how many lines are shown before and after the one of a frame.
const contextLines = 5

// Resolved is a module with its map and script read.
type Resolved struct {
	*Module
	Map    *sourcemap.Map
	Script *sourcemap.Script // nil when it was not uploaded
	// Source returns lines of an original file that the map does not hold; nil when it is not known.
	Source func(url string) *sourcemap.Script
}

// symbolicated is the member of a frame's data that says it was resolved.
var symbolicated = event.Member{Name: "symbolicated", Value: event.Value("true")}

// IsResolved reports whether a frame was resolved.
func IsResolved(f *event.Frame) bool { return string(f.Data.Other.Get(symbolicated.Name)) == "true" }

// Rewrite turns a frame of generated code into the one it was made of. caller is the name of what
// the frame around it calls, as far as its map says, and callee the one for the next frame. The
// frame stays as it is when ok is false: the map has nothing for its place.
// Rule: getsentry/symbolicator crates/symbolicator-js/src/symbolication.rs
func (r *Resolved) Rewrite(f *event.Frame, caller string) (callee string, ok bool) {
	t, ok := r.Map.Lookup(f.Lineno, f.Colno)
	if !ok {
		return "", false
	}
	f.Function = r.function(f, caller)
	base := r.MapURL()
	if t.Source != "" {
		f.AbsPath = sourcemap.Join(base, t.Source)
		f.Filename = cleanSource(t.Source)
		f.Module = ModuleName(f.Filename)
		if !strings.HasPrefix(t.Source, "webpack:") && !strings.HasPrefix(t.Source, "turbopack:") {
			f.Module = ModuleName(f.AbsPath)
		}
		if inApp := isInApp(f.AbsPath, f.Filename); inApp != nil {
			f.InApp = inApp
		}
	}
	f.Lineno, f.Colno = t.Line, t.Column
	f.PreContext, f.ContextLine, f.PostContext = nil, nil, nil
	first := max(1, t.Line-contextLines)
	lines, known := r.Map.Lines(t, first, t.Line+contextLines)
	if !known && r.Source != nil {
		if s := r.Source(f.AbsPath); s != nil {
			lines = s.Lines(first, t.Line+contextLines)
		}
	}
	setContext(f, lines, t.Line-first)
	f.Data.Sourcemap, f.Data.ResolvedWith = base, r.With
	f.Data.Other = append(f.Data.Other, symbolicated)
	return t.Name, true
}

// useless are names that say nothing about a function.
var useless = map[string]bool{"": true, sourcemap.Anonymous: true, "__dirname": true, "__filename": true, "__webpack_require__": true,
	"arguments": true, "exports": true, "module": true, "require": true, "global": true, "window": true, "self": true}

// function is what a frame's function is called: in the source, else by its caller, else as it came.
func (r *Resolved) function(f *event.Frame, caller string) string {
	name, known := r.Map.FunctionName(r.Script, f.Lineno, f.Colno)
	switch {
	case known && !useless[name]:
		return name
	case caller != "" && !useless[caller]:
		return caller
	case known && name == sourcemap.Anonymous, f.Function == "":
		return sourcemap.Anonymous
	}
	return f.Function
}

// ShowScript puts the lines of the script itself around a frame that no map resolved and that came
// without any.
func ShowScript(f *event.Frame, s *sourcemap.Script) {
	if f.ContextLine != nil || f.Lineno < 1 {
		return
	}
	first := max(1, f.Lineno-contextLines)
	setContext(f, s.Lines(first, f.Lineno+contextLines), f.Lineno-first)
}

// setContext puts lines around a frame, of which the one at index is its own.
func setContext(f *event.Frame, lines []string, index int) {
	if index >= len(lines) {
		return
	}
	for i, line := range lines {
		column := 0
		if i == index {
			column = f.Colno
		}
		line = snip(line, column)
		switch {
		case i < index:
			f.PreContext = append(f.PreContext, line)
		case i == index:
			f.ContextLine = &line
		default:
			f.PostContext = append(f.PostContext, line)
		}
	}
}

const (
	longLine  = 150 // bytes that a line is shown whole with
	shownPart = 140 // bytes that are shown of a longer one
	snipMark  = "{snip}"
)

// snip cuts a long line to what is around a column.
// Rule: getsentry/symbolicator crates/symbolicator-js/src/utils.rs (trim_line)
func snip(line string, column int) string {
	if len(line) <= longLine {
		return line
	}
	start := max(0, min(column-60, len(line)-shownPart))
	if start < 5 {
		start = 0
	}
	end := min(start+shownPart, len(line))
	if end > len(line)-5 {
		end = len(line)
	}
	for start > 0 && !utf8.RuneStart(line[start]) {
		start--
	}
	for end < len(line) && !utf8.RuneStart(line[end]) {
		end++
	}
	cut := line[start:end]
	if start > 0 {
		cut = snipMark + " " + cut
	}
	if end < len(line) {
		cut += " " + snipMark
	}
	return cut
}

// cleanSource is how people write the name of a source: without what bundlers put before and
// behind it.
func cleanSource(source string) string {
	for _, scheme := range []string{"webpack:", "turbopack:"} {
		rest, ok := strings.CutPrefix(source, scheme)
		if !ok {
			continue
		}
		if _, below, found := strings.Cut(rest, "/~/"); found {
			return "~/" + below
		}
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			if _, path, found := strings.Cut(host, "/"); found {
				rest = path
			}
		}
		rest = strings.TrimLeft(rest, "/")
		if scheme == "turbopack:" {
			rest = strings.TrimPrefix(rest, "[project]/")
		}
		source = rest
		break
	}
	if i := strings.LastIndexByte(source, '!'); i >= 0 { // loaders stand before it
		source = source[i+1:]
	}
	if path, query, ok := strings.Cut(source, "?"); ok && len(query) <= 64 && path != "" { // a loader's hash
		source = path
	}
	return source
}

// isInApp says whether a source is the application's own where its name tells, nil where not.
func isInApp(absPath, filename string) *bool {
	library := strings.Contains(absPath, "/node_modules/") || strings.HasPrefix(filename, "node_modules/") || strings.HasPrefix(filename, "~/")
	switch {
	case library:
		return new(false)
	case strings.HasPrefix(absPath, "webpack:"):
		return new(strings.HasPrefix(filename, "./") && !strings.HasPrefix(filename, "./webpack/"))
	}
	return nil
}
