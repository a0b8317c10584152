package symbol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/proguard"
)

// The types of processing errors about mappings.
// Rule: getsentry/sentry src/sentry/models/eventerror.py
const (
	typeNoMapping     = "proguard_missing_mapping"
	typeNoLineMapping = "proguard_missing_lineno"
)

// mappingIDs are the ids of the mappings that an event names; none for an event of another kind.
func mappingIDs(ev *event.Event) (ids []string) {
	if ev.DebugMeta.Get("images") == nil {
		return nil
	}
	for _, m := range images(ev, "proguard", "jvm") {
		if m.Type == "jvm" {
			continue // a bundle of sources
		}
		for _, text := range []string{m.UUID, m.DebugID} {
			if id, ok := artifact.ParseDebugID(text); ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// isJVM reports whether a frame is one of a virtual machine for Java.
func isJVM(f *event.Frame, platform string) bool {
	if f.Platform != "" {
		platform = f.Platform
	}
	return platform == "java" && f.Module != "" && !artifact.IsResolved(f)
}

// jvm undoes what ProGuard or R8 did to an event's names and reports whether something changed.
func (s *Service) jvm(ctx context.Context, ev *event.Event, revision int64) (changed bool) {
	ids := mappingIDs(ev)
	if len(ids) == 0 || revision == 0 && !s.noteMissing(ev, ids) {
		return false
	}
	var maps []*proguard.Mapping
	for _, id := range ids {
		m, reason, err := s.mapping(ctx, ev.Project, revision, id)
		if err != nil {
			ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeFetch, Value: quoted(map[string]string{"message": "the mapping could not be read now", "mapping_uuid": id})})
			continue
		}
		if m == nil {
			ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeNoMapping, Name: "debug_meta.images", Value: quoted(map[string]string{"mapping_uuid": id, "reason": reason,
				"command": "sentry-cli upload-proguard --uuid " + id + " mapping.txt"})})
			continue
		}
		if !m.HasLines() {
			ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeNoLineMapping, Name: "debug_meta.images", Value: quoted(map[string]string{"mapping_uuid": id})})
		}
		maps = append(maps, m)
	}
	if len(maps) == 0 {
		return false
	}
	for i := range ev.Exceptions {
		changed = retypeException(&ev.Exceptions[i], maps) || changed
	}
	for _, st := range stacks(ev) {
		frames, touched := undoFrames(st.trace.Frames, ev.Platform, maps)
		if !touched {
			continue
		}
		changed = true
		if st.raw != nil && *st.raw == nil {
			kept := *st.trace
			*st.raw = &kept
		}
		st.trace.Frames = frames
	}
	return changed
}

// noteMissing adds an error for each mapping of a project that has none.
func (s *Service) noteMissing(ev *event.Event, ids []string) bool {
	for _, id := range ids {
		ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeNoMapping, Name: "debug_meta.images", Value: quoted(map[string]string{"mapping_uuid": id, "reason": "it was not uploaded",
			"command": "sentry-cli upload-proguard --uuid " + id + " mapping.txt"})})
	}
	return false
}

// mapping returns the mapping with an id; nil with the reason when there is none that can be read.
func (s *Service) mapping(ctx context.Context, project, revision int64, id string) (*proguard.Mapping, string, error) {
	files, err := s.debugFiles(ctx, project, revision, id)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(files, func(f postgres.DebugFile) bool { return f.Format == string(debugfile.ProGuard) })
	if i < 0 {
		return nil, "it was not uploaded", nil
	}
	f := &files[i]
	file := &artifact.File{Blob: f.Blob, Packed: f.Size, Size: f.Size}
	m, err := load(ctx, s, "proguard", file, func(b []byte) (*proguard.Mapping, int, error) {
		m := proguard.Parse(b)
		if m.Empty() {
			return nil, 0, errors.New("there is no mapping in it")
		}
		return m, m.Bytes(), nil
	})
	var failed *loadError
	if errors.As(err, &failed) {
		return nil, failed.detail, nil
	}
	s.noteDebugFileUse(ctx, project, f.ID)
	return m, "", err
}

// retypeException gives an exception's class its name back.
func retypeException(x *event.Exception, maps []*proguard.Mapping) bool {
	if x.Module == "" || x.Type == "" {
		return false
	}
	for _, m := range maps {
		if name, ok := m.Class(x.Module + "." + x.Type); ok {
			dot := strings.LastIndexByte(name, '.')
			changed := x.Module+"."+x.Type != name
			x.Type = name[dot+1:]
			x.Module = name[:max(dot, 0)]
			return changed
		}
	}
	return false
}

// maxUndone bounds the frames of a stack trace after inlined calls were added.
const maxUndone = 1000

// undoFrames gives the frames of a stack trace their names back, with the calls that were inlined.
func undoFrames(frames []event.Frame, platform string, maps []*proguard.Mapping) (out []event.Frame, touched bool) {
	out = make([]event.Frame, 0, len(frames))
	for i := range frames {
		f := &frames[i]
		if !isJVM(f, platform) || len(out) >= maxUndone {
			out = append(out, *f)
			continue
		}
		var calls []proguard.Frame
		known := false
		for _, m := range maps {
			if calls, known = m.Frame(f.Module, f.Function, f.Lineno); known {
				break
			}
		}
		if !known {
			out = append(out, *f)
			continue
		}
		touched = true
		for n := len(calls) - 1; n >= 0; n-- { // frames stand with the innermost call last
			g := *f
			g.Module, g.Function, g.Lineno = calls[n].Class, calls[n].Method, calls[n].Line
			if calls[n].File != "" {
				g.Filename, g.AbsPath = calls[n].File, calls[n].File
			}
			g.Data.Other = append(slices.Clone(f.Data.Other), event.Member{Name: "symbolicated", Value: event.Value("true")})
			out = append(out, g)
		}
	}
	return out, touched
}

// debugFiles returns the debug files of a project with an id, newer first.
func (s *Service) debugFiles(ctx context.Context, project, revision int64, id string) ([]postgres.DebugFile, error) {
	s.mu.Lock()
	x := s.indexOf(project, revision)
	files, known := x.debugFiles[id]
	s.mu.Unlock()
	if known {
		return files, nil
	}
	files, err := s.store.DebugFilesByID(ctx, project, []string{id})
	if err != nil {
		return nil, fmt.Errorf("find debug files: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x.debugFiles[id] = files
	x.entries += 1 + len(files)
	return files, nil
}
