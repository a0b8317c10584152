package symbol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// stack is one stack trace of an event and where the one that came is kept.
type stack struct {
	trace     *event.Stacktrace
	raw       **event.Stacktrace
	path      string
	exception int // index; -1 for another stack trace
}

// wants are the frames of an event that something may have been uploaded for.
type wants struct {
	stacks []stack
	paths  []string          // addresses of scripts, in order, each once
	ids    map[string]string // debug id by address
	known  bool              // the event names a debug id for one of them, or its code is minified
}

func (w *wants) any() bool { return len(w.paths) > 0 }

// maxPaths bounds the scripts that are looked for in one event.
const maxPaths = 200

// wanted finds the frames of scripts that were not resolved yet.
func wanted(ev *event.Event) (w wants) {
	for _, s := range stacks(ev) {
		asks := false
		for i := range s.trace.Frames {
			f := &s.trace.Frames[i]
			if !isScript(f, ev.Platform) || artifact.IsResolved(f) {
				continue
			}
			if !slices.Contains(w.paths, f.AbsPath) && len(w.paths) < maxPaths {
				w.paths = append(w.paths, f.AbsPath)
			}
			w.known = w.known || minified(f)
			asks = true
		}
		if asks {
			w.stacks = append(w.stacks, s)
		}
	}
	if w.any() {
		w.ids = debugIDs(ev, "sourcemap")
		for _, p := range w.paths {
			w.known = w.known || w.ids[p] != ""
		}
	}
	return w
}

// stacks are all stack traces of an event.
func stacks(ev *event.Event) (list []stack) {
	for i := range ev.Exceptions {
		if x := &ev.Exceptions[i]; x.Stacktrace != nil {
			list = append(list, stack{x.Stacktrace, &x.RawStacktrace, fmt.Sprintf("exception.values.%d.stacktrace", i), i})
		}
	}
	for i := range ev.Threads {
		if t := &ev.Threads[i]; t.Stacktrace != nil {
			list = append(list, stack{t.Stacktrace, &t.RawStacktrace, fmt.Sprintf("threads.values.%d.stacktrace", i), -1})
		}
	}
	if ev.Stacktrace != nil {
		list = append(list, stack{ev.Stacktrace, nil, "stacktrace", -1})
	}
	return list
}

// isScript reports whether a frame is one of a script that can have a map.
func isScript(f *event.Frame, platform string) bool {
	if f.Platform != "" {
		platform = f.Platform
	}
	if platform != "javascript" && platform != "node" {
		return false
	}
	p := f.AbsPath
	return p != "" && p != "native" && p[0] != '<' && p[0] != '[' && !strings.HasPrefix(p, "node:") && !strings.HasPrefix(p, "internal/") &&
		!strings.HasPrefix(p, "chrome-extension:") && !strings.HasPrefix(p, "moz-extension:") && !strings.HasPrefix(p, "safari-extension:") &&
		!strings.HasPrefix(p, "safari-web-extension:") && !strings.HasPrefix(p, "webkit-masked-url:")
}

// farRight is a column that only generated code reaches.
const farRight = 300

// minified reports whether a frame looks like one of generated code.
func minified(f *event.Frame) bool {
	return f.Colno > farRight || strings.Contains(artifact.Name(f.AbsPath), ".min.")
}

// image is one entry of debug_meta.images.
type image struct {
	Type      string `json:"type"`
	CodeFile  string `json:"code_file"`
	DebugID   string `json:"debug_id"`
	DebugFile string `json:"debug_file"`
	UUID      string `json:"uuid"`
	CodeID    string `json:"code_id"`
	ImageAddr string `json:"image_addr"`
	ImageSize uint64 `json:"image_size"`
	Arch      string `json:"arch"`
}

// maxImages bounds the loaded files of an event that are looked at.
const maxImages = 2000

// images are the loaded files of an event of these types; those that cannot be read are left out.
func images(ev *event.Event, types ...string) (list []image) {
	var all []json.RawMessage
	if json.Unmarshal(ev.DebugMeta.Get("images"), &all) != nil {
		return nil
	}
	for _, raw := range all[:min(len(all), maxImages)] {
		var m image
		if err := json.Unmarshal(raw, &m); err != nil { // a field of another type; the rest is there
			var mistyped *json.UnmarshalTypeError
			if !errors.As(err, &mistyped) {
				continue
			}
		}
		if slices.Contains(types, m.Type) {
			list = append(list, m)
		}
	}
	return list
}

// debugIDs are the debug ids of the loaded scripts by address.
func debugIDs(ev *event.Event, kind string) map[string]string {
	ids := make(map[string]string)
	for _, m := range images(ev, kind) {
		if id, ok := artifact.ParseDebugID(m.DebugID); ok && m.CodeFile != "" {
			ids[m.CodeFile] = id
		}
	}
	return ids
}

// found is what was found and read for one script.
type found struct {
	artifact.Resolved
	module artifact.Module
	err    *loadError // why the map cannot be used; nil when there is none, or it can
}

// modules finds what was uploaded for the scripts of an event.
func (s *Service) modules(ctx context.Context, ev *event.Event, w *wants, revision int64) (map[string]*found, error) {
	var ids []string
	for _, p := range w.paths {
		if id := w.ids[p]; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	var byID map[string][]artifact.File
	var err error
	if len(ids) > 0 {
		if byID, err = s.byDebugID(ctx, ev.Project, revision, ids); err != nil {
			return nil, err
		}
	}
	release, err := s.byRelease(ctx, ev.Project, revision, artifact.Release{Version: ev.Release, Dist: ev.Dist})
	if err != nil {
		return nil, err
	}
	out := make(map[string]*found, len(w.paths))
	for _, p := range w.paths {
		f := &found{module: artifact.Choose(p, w.ids[p], byID[w.ids[p]], release)}
		f.Module = &f.module
		if err := s.readModule(ctx, f, release); err != nil {
			return nil, err
		}
		s.noteUse(ctx, ev.Project, f.module.Script, f.module.Map)
		out[p] = f
	}
	return out, nil
}

// readModule reads the script and the map of a module.
func (s *Service) readModule(ctx context.Context, f *found, release artifact.Index) error {
	m := &f.module
	var failed *loadError
	reference := ""
	if m.Script != nil {
		script, err := s.loadScript(ctx, m.Script)
		switch {
		case errors.As(err, &failed):
		case err != nil:
			return err
		default:
			f.Script, reference = script.Script, script.reference
		}
	}
	var err error
	switch {
	case m.Map != nil:
		f.Map, err = s.loadMap(ctx, m.Map)
	case strings.HasPrefix(reference, "data:"):
		f.Map, err = s.inlineMap(ctx, m.Script, reference)
	}
	if errors.As(err, &failed) {
		f.err, err = failed, nil
	}
	f.Source = func(url string) *sourcemap.Script {
		file, ok := release.Find(url)
		if !ok {
			return nil
		}
		script, err := s.loadScript(ctx, &file)
		if err != nil {
			return nil // it was logged; the frame goes without its lines
		}
		return script.Script
	}
	return err
}

// javascript resolves the frames of scripts and reports whether one changed.
func (s *Service) javascript(ctx context.Context, ev *event.Event, w *wants, revision int64) (changed bool) {
	modules := map[string]*found{}
	if revision != 0 {
		var err error
		if modules, err = s.modules(ctx, ev, w, revision); err != nil {
			ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeFetch, Value: quoted(map[string]string{"message": "what was uploaded could not be read now"})})
			return false
		}
	} else if !w.known {
		return false // plain scripts of a project that uploads nothing
	}
	notes := notes{ev: ev}
	for _, st := range w.stacks {
		before := slices.Clone(st.trace.Frames)
		caller, touched := "", false
		for i := range st.trace.Frames {
			f := &st.trace.Frames[i]
			if !isScript(f, ev.Platform) || artifact.IsResolved(f) {
				caller = ""
				continue
			}
			m := modules[f.AbsPath]
			reason, detail := judge(f, m)
			if reason == artifact.Mapped {
				var ok bool
				if caller, ok = m.Rewrite(f, caller); ok {
					touched = true
					s.frames.WithLabelValues("resolved").Inc()
					continue
				}
			}
			caller = ""
			if m != nil && m.Script != nil {
				artifact.ShowScript(f, m.Script)
			}
			s.frames.WithLabelValues(string(reason)).Inc()
			notes.add(reason, detail, f.AbsPath, w.ids[f.AbsPath], fmt.Sprintf("%s.frames.%d", st.path, i))
		}
		if touched {
			changed = true
			if st.raw != nil && *st.raw == nil {
				kept := *st.trace
				kept.Frames = before
				*st.raw = &kept
			}
		}
	}
	return changed
}

// judge says why the map of a module does not resolve a frame: Mapped when it does.
func judge(f *event.Frame, m *found) (artifact.Reason, string) {
	switch {
	case f.Lineno < 1:
		return artifact.NoLocation, ""
	case m == nil:
		return artifact.NoMap, ""
	case m.err != nil:
		return m.err.reason, m.err.detail
	case m.Map == nil && m.module.Script != nil:
		return artifact.NoMapForScript, ""
	case m.Map == nil:
		return artifact.NoMap, ""
	case f.Colno < 1 && f.Lineno == 1:
		return artifact.NoColumn, ""
	}
	if _, ok := m.Map.Lookup(f.Lineno, f.Colno); !ok {
		return artifact.WrongPlace, ""
	}
	return artifact.Mapped, ""
}
