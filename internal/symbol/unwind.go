package symbol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/minidump"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/unwind"
)

// ReadDumps lets the stacks of minidumps, which are in dumps, be walked by uploaded debug files when their
// events are shown and when they are symbolicated again. It must be called before the first event.
func (s *Service) ReadDumps(dumps blob.Store) { s.dumps = dumps }

// isDump reports whether an event was made of a minidump.
func isDump(ev *event.Event) bool {
	return len(ev.Exceptions) > 0 && ev.Exceptions[0].Mechanism != nil && ev.Exceptions[0].Mechanism.Type == "minidump"
}

// isWalked reports whether a stack was walked by call frame information.
func isWalked(trace *event.Stacktrace) bool {
	return trace != nil && slices.ContainsFunc(trace.Frames, func(f event.Frame) bool { return f.Trust == string(minidump.TrustCFI) })
}

// walking finds the call frame information of the modules of one event.
type walking struct {
	*Service
	ctx               context.Context
	project, revision int64
	found             map[string]*unwind.Table // by debug id; nil where there is none
}

// unwindDump walks the stacks of a minidump anew where the files of its modules say how, which code
// without frame pointers needs, and reports whether one changed. Without such files, or when the minidump
// cannot be read, the event stays as it is.
func (s *Service) unwindDump(ctx context.Context, ev *event.Event, revision int64) (changed bool) {
	if s.dumps == nil || revision == 0 || !isDump(ev) || isWalked(ev.Exceptions[0].Stacktrace) {
		return false
	}
	w := &walking{s, ctx, ev.Project, revision, make(map[string]*unwind.Table)}
	if !w.helps(ev) {
		return false
	}
	dump, err := s.dumpOf(ctx, ev)
	if err != nil || dump == nil {
		if err != nil {
			slog.WarnContext(ctx, "a minidump could not be read", "err", err)
		}
		return false
	}
	d, err := minidump.Walk(dump, w.unwinder)
	if err != nil {
		return false
	}
	for i := range d.List {
		t := &d.List[i]
		if !slices.ContainsFunc(t.Frames, func(f minidump.Frame) bool { return f.Trust == minidump.TrustCFI }) {
			continue
		}
		if d.Crashed && t.ID == d.Thread {
			x := &ev.Exceptions[0]
			x.RawStacktrace, x.Stacktrace = kept(x.RawStacktrace, x.Stacktrace), walkedDump(d, t, x.Stacktrace)
			changed = true
			continue
		}
		id := strconv.FormatUint(uint64(t.ID), 10)
		if at := slices.IndexFunc(ev.Threads, func(t event.Thread) bool { return t.ID == id }); at >= 0 {
			to := &ev.Threads[at]
			to.RawStacktrace, to.Stacktrace = kept(to.RawStacktrace, to.Stacktrace), walkedDump(d, t, to.Stacktrace)
			changed = true
		}
	}
	return changed
}

// helps reports whether a module that a frame is in has call frame information: else another walk would
// find what the first one did.
func (w *walking) helps(ev *event.Event) bool {
	images, asked := loadedImages(ev), make(map[string]bool)
	for _, st := range stacks(ev) {
		for i := range st.trace.Frames {
			m, _ := imageOf(&st.trace.Frames[i], true, images)
			if m == nil || asked[m.DebugID] {
				continue
			}
			if asked[m.DebugID] = true; w.table(m.DebugID) != nil {
				return true
			}
		}
	}
	return false
}

// unwinder goes from call to call of the modules of a dump.
func (w *walking) unwinder(modules []minidump.Module) minidump.Unwinder {
	return func(module int, address uint64, registers map[string]uint64, memory func(uint64) (uint64, bool)) (map[string]uint64, bool) {
		t := w.table(modules[module].DebugID)
		if t == nil {
			return nil, false
		}
		return t.Caller(address, registers, memory)
	}
}

// table is the call frame information of a build; nil when none was uploaded that can be read.
func (w *walking) table(debugID string) *unwind.Table {
	t, known := w.found[debugID]
	if known {
		return t
	}
	w.found[debugID] = nil
	id, ok := debugfile.ParseID(debugID)
	if !ok {
		return nil
	}
	files, err := w.debugFiles(w.ctx, w.project, w.revision, id)
	if err != nil {
		slog.WarnContext(w.ctx, "debug files could not be found", "err", err)
		return nil
	}
	tried := 0
	for i := range files {
		f := &files[i]
		if !slices.Contains(f.Features, "unwind") || order(f) == unread || tried == maxTables {
			continue
		}
		tried++
		if t, err = w.loadUnwind(w.ctx, f); err == nil {
			w.found[debugID] = t
			w.noteDebugFileUse(w.ctx, w.project, f.ID)
			return t
		}
	}
	return nil
}

// loadUnwind reads the call frame information of a debug file once and remembers it.
func (s *Service) loadUnwind(ctx context.Context, f *postgres.DebugFile) (*unwind.Table, error) {
	var table *unwind.Table
	get := func() ([]byte, error) {
		file, err := s.files.Open(ctx, f.Blob)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		table, err = debugfile.ReadUnwind(file, f.Size, s.most)
		if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.Unsupported || k == fault.TooLarge) {
			return nil, &loadError{artifact.Unreadable, fault.Public(err)}
		}
		return nil, err
	}
	return loadKey(ctx, s, "unwinding", "unwind "+f.Blob, get, func([]byte) (*unwind.Table, int, error) {
		if table == nil {
			return nil, 0, errors.New("it cannot be read")
		}
		return table, table.Bytes(), nil
	})
}

// walkedDump is the stack of a thread as events have it, with what is known of its modules from before.
func walkedDump(d *minidump.Dump, t *minidump.Thread, before *event.Stacktrace) *event.Stacktrace {
	trace, inApp := &event.Stacktrace{}, make(map[string]*bool)
	if before != nil {
		trace.Registers, trace.Other = before.Registers, before.Other
		for i := range before.Frames {
			inApp[before.Frames[i].Package] = cmp.Or(before.Frames[i].InApp, inApp[before.Frames[i].Package])
		}
	}
	for i := len(t.Frames) - 1; i >= 0; i-- {
		f := &t.Frames[i]
		frame := event.Frame{InstructionAddr: fmt.Sprintf("%#x", f.Address), Trust: string(f.Trust)}
		if f.Module >= 0 {
			m := &d.Modules[f.Module]
			frame.Package, frame.ImageAddr = m.Name, fmt.Sprintf("%#x", m.Base)
		}
		frame.InApp = inApp[frame.Package]
		trace.Frames = append(trace.Frames, frame)
	}
	return trace
}
