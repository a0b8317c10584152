package symbol

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// The types of processing errors about native code.
// Rule: getsentry/sentry src/sentry/models/eventerror.py
const (
	typeNoDebugFile  = "native_missing_dsym"
	typeBadDebugFile = "native_bad_dsym"
	typeNoSymbol     = "native_missing_symbol"
)

// nativePlatforms are those whose frames are addresses of machine code.
var nativePlatforms = []string{"native", "cocoa", "objc", "swift", "c", "rust"}

// loaded is a file of machine code in the memory of the process.
type loaded struct {
	image
	start, size uint64
	index       int // in debug_meta.images
}

// isNative reports whether a frame is an address of machine code that was not resolved yet.
func isNative(f *event.Frame, platform string) bool {
	return f.InstructionAddr != "" && slices.Contains(nativePlatforms, cmp.Or(f.Platform, platform)) && !artifact.IsResolved(f)
}

// hasNative reports whether an event has frames that debug files may resolve.
func hasNative(ev *event.Event) bool {
	if ev.DebugMeta.Get("images") == nil {
		return false
	}
	for _, st := range stacks(ev) {
		for i := range st.trace.Frames {
			if isNative(&st.trace.Frames[i], ev.Platform) {
				return true
			}
		}
	}
	return false
}

// loadedImages are the files of machine code that an event names, by their address.
func loadedImages(ev *event.Event) (list []loaded) {
	var all []json.RawMessage
	if json.Unmarshal(ev.DebugMeta.Get("images"), &all) != nil {
		return nil
	}
	for i, raw := range all[:min(len(all), maxImages)] {
		var m loaded
		var mistyped *json.UnmarshalTypeError
		if err := json.Unmarshal(raw, &m.image); err != nil && !errors.As(err, &mistyped) {
			continue
		}
		switch m.Type {
		case "elf", "macho", "apple", "pe", "pe_dotnet", "symbolic":
		default:
			continue
		}
		m.index, m.size = i, m.ImageSize
		m.start, _ = parseAddress(m.ImageAddr)
		m.DebugID = cmp.Or(m.DebugID, m.UUID)
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b loaded) int { return cmp.Compare(a.start, b.start) })
	return list
}

func parseAddress(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 0, 64)
	return n, err == nil
}

// imageOf returns the image that a frame is in and its address relative to that; nil for none. The
// address of a caller is where its call returns to, so that the call itself is one before.
func imageOf(f *event.Frame, innermost bool, images []loaded) (*loaded, uint64) {
	address, ok := parseAddress(f.InstructionAddr)
	if !ok {
		return nil, 0
	}
	back := uint64(1)
	if innermost || f.Trust == "context" || address == 0 {
		back = 0
	}
	if text, relative := strings.CutPrefix(f.AddrMode, "rel:"); relative {
		n, err := strconv.Atoi(text)
		at := slices.IndexFunc(images, func(m loaded) bool { return err == nil && m.index == n })
		if at < 0 {
			return nil, 0
		}
		return &images[at], address - back
	}
	for i := len(images) - 1; i >= 0; i-- {
		if m := &images[i]; m.start <= address && (address-m.start < m.size || m.size == 0) {
			return m, address - m.start - min(back, address-m.start)
		}
	}
	return nil, 0
}

// native names the functions, files and lines of machine code and reports whether a frame changed.
// What is not in an uploaded file stays an address.
func (s *Service) native(ctx context.Context, ev *event.Event, revision int64) (changed bool) {
	if !hasNative(ev) {
		return false
	}
	images := loadedImages(ev)
	found := make(map[string]*tables)
	changed = s.nameNative(ctx, ev, revision, images, found)
	changed = s.nativeOutside(ctx, ev, images) || changed
	noteNative(ev, images, found)
	return changed
}

// nameNative names frames by what was uploaded, which it leaves in found by debug id.
func (s *Service) nameNative(ctx context.Context, ev *event.Event, revision int64, images []loaded, found map[string]*tables) (changed bool) {
	for _, st := range stacks(ev) {
		before, touched := st.trace.Frames, false
		left := make([]event.Frame, 0, len(before))
		for i := range before {
			f := &before[i]
			left = append(left, *f)
			if !isNative(f, ev.Platform) {
				continue
			}
			m, address := imageOf(f, i == len(st.trace.Frames)-1, images)
			if m == nil {
				continue
			}
			t := found[m.DebugID]
			if t == nil {
				t = s.tablesOf(ctx, ev, revision, m)
				found[m.DebugID] = t
			}
			if calls := t.find(address); len(calls) > 0 {
				left, touched = left[:len(left)-1], true
				for _, place := range slices.Backward(calls) {
					left = append(left, named(*f, place, m))
				}
				s.frames.WithLabelValues("resolved").Inc()
				continue
			}
			s.frames.WithLabelValues(t.reason()).Inc()
			if stray(f, t) {
				left, touched = left[:len(left)-1], true
			}
		}
		if touched {
			changed, st.trace.Frames = true, left
			if st.raw != nil && *st.raw == nil {
				kept := *st.trace
				kept.Frames = before
				*st.raw = &kept
			}
		}
	}
	return changed
}

// stray reports whether a frame was only scanned for, and the files of its image say that no function
// is there: what looked like a return address is none.
func stray(f *event.Frame, t *tables) bool { return f.Trust == "scan" && len(t.list) > 0 }

// noteNative adds an error for each image that frames are left without names in.
func noteNative(ev *event.Event, images []loaded, found map[string]*tables) {
	notes := notes{ev: ev}
	for _, st := range stacks(ev) {
		for i := range st.trace.Frames {
			f := &st.trace.Frames[i]
			if !isNative(f, ev.Platform) {
				continue
			}
			if m, _ := imageOf(f, i == len(st.trace.Frames)-1, images); m != nil && found[m.DebugID] != nil {
				notes.native(found[m.DebugID], m, f, fmt.Sprintf("%s.frames.%d", st.path, i))
			}
		}
	}
}

// named is a frame with what is known of its address.
func named(f event.Frame, p debugfile.Place, m *loaded) event.Frame {
	f.Function, f.Symbol = p.Function, ""
	if p.Symbol != p.Function {
		f.Symbol = p.Symbol
	}
	f.SymbolAddr, f.ImageAddr = fmt.Sprintf("%#x", m.start+p.Start), cmp.Or(f.ImageAddr, m.ImageAddr)
	f.Package = cmp.Or(f.Package, m.CodeFile)
	if p.File != "" {
		f.AbsPath, f.Filename, f.Lineno = p.File, path.Base(strings.ReplaceAll(p.File, `\`, "/")), p.Line
	}
	f.Data.Other = append(slices.Clone(f.Data.Other), event.Member{Name: "symbolicated", Value: event.Value("true")})
	return f
}

// tables are what was found for one image.
type tables struct {
	list   []*debugfile.Table
	failed string // why a file cannot be used; empty when none failed
	away   bool   // what was uploaded could not be read now
}

// find tells what is at an address, innermost first, by the file that knows most of it.
func (t *tables) find(address uint64) (best []debugfile.Place) {
	for _, table := range t.list {
		if p := table.Find(address); len(p) > 0 && (best == nil || best[0].File == "" && p[0].File != "") {
			best = p
		}
	}
	return best
}

// reason says why an address was not found.
func (t *tables) reason() string {
	switch {
	case t.away:
		return typeFetch
	case len(t.list) > 0:
		return typeNoSymbol
	case t.failed != "":
		return typeBadDebugFile
	}
	return typeNoDebugFile
}

// maxTables bounds the files that are read for one image.
const maxTables = 3

// tablesOf reads the files that were uploaded for an image.
func (s *Service) tablesOf(ctx context.Context, ev *event.Event, revision int64, m *loaded) *tables {
	t := &tables{}
	id, ok := debugfile.ParseID(m.DebugID)
	if !ok || revision == 0 {
		return t
	}
	files, err := s.debugFiles(ctx, ev.Project, revision, id)
	if err != nil {
		t.away = true
		return t
	}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b postgres.DebugFile) int { return cmp.Compare(order(&a), order(&b)) })
	for i := range files {
		f := &files[i]
		if order(f) == unread || len(t.list) == maxTables {
			break
		}
		table, err := s.loadTable(ctx, f)
		var failed *loadError
		switch {
		case errors.As(err, &failed):
			t.failed = failed.detail
		case err != nil:
			t.away = true
		default:
			t.list = append(t.list, table)
			s.noteDebugFileUse(ctx, ev.Project, f.ID)
		}
	}
	return t
}

const unread = 3

// order puts the files with lines before those with names alone; unread is of those that are not read.
func order(f *postgres.DebugFile) int {
	switch debugfile.Format(f.Format) {
	case debugfile.Breakpad:
		return 0
	case debugfile.ELF, debugfile.MachO, debugfile.PE:
		if slices.Contains(f.Features, "debug") {
			return 1
		}
		return 2
	}
	return unread
}

// loadTable reads the functions and lines of a debug file once and remembers them.
func (s *Service) loadTable(ctx context.Context, f *postgres.DebugFile) (*debugfile.Table, error) {
	var table *debugfile.Table
	get := func() ([]byte, error) {
		file, err := s.files.Open(ctx, f.Blob)
		if fault.KindOf(err) == fault.Unknown {
			return nil, &loadError{artifact.Unreadable, "its bytes are not kept any more"}
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		table, err = debugfile.ReadTable(file, f.Size, f.DebugID, s.most)
		switch fault.KindOf(err) {
		case fault.Invalid, fault.Unsupported, fault.TooLarge:
			if err != nil {
				return nil, &loadError{artifact.Unreadable, fault.Public(err)}
			}
		}
		return nil, err
	}
	return loadKey(ctx, s, "debug file", "table "+f.Blob+" "+f.DebugID, get, func([]byte) (*debugfile.Table, int, error) { return table, table.Bytes(), nil })
}

// systemPaths begin the names of files that come with a system, whose symbols nobody uploads.
var systemPaths = []string{"/usr/lib", "/lib", "/system/", "/apex/", "/vendor/", "/System/", "/Library/Apple", "linux-gate", "linux-vdso", "[vdso]", `C:\Windows\`, `C:\WINDOWS\`}

// native adds the error of a frame whose address was not found.
func (n *notes) native(t *tables, m *loaded, f *event.Frame, where string) {
	name := cmp.Or(m.CodeFile, m.DebugFile)
	reason := t.reason()
	if reason != typeFetch && slices.ContainsFunc(systemPaths, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return
	}
	key := reason + " " + m.DebugID
	if slices.Contains(n.seen, key) || len(n.seen) >= maxNotes {
		return
	}
	n.seen = append(n.seen, key)
	value := map[string]string{"image_path": name, "image_uuid": m.DebugID}
	switch reason {
	case typeFetch:
		value["message"] = "what was uploaded could not be read now"
	case typeNoDebugFile:
		value["command"] = "sentry-cli debug-files upload --id " + m.DebugID + " ./build"
	case typeBadDebugFile:
		value["message"] = t.failed
	case typeNoSymbol:
		value["instruction_addr"] = f.InstructionAddr
	}
	n.ev.Errors = append(n.ev.Errors, event.ProcessingError{Type: reason, Name: where, Value: quoted(value)})
}
