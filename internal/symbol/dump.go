package symbol

import (
	"context"
	"io"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/symbolicator"
)

// maxDump bounds the minidumps that are read, and sent to the external program.
const maxDump = 64 << 20

// walkDump lets the external program walk the stacks of an event's minidump, which knows how to
// unwind where frame pointers do not lead. When it cannot, the event gets a note and keeps its stacks.
func (s *Service) walkDump(ctx context.Context, ev *event.Event) {
	if s.outside == nil || !isDump(ev) {
		return
	}
	dump, err := s.dumpOf(ctx, ev)
	if err == nil && dump == nil {
		return
	}
	var stacks []symbolicator.Stack
	if err == nil {
		stacks, err = s.outside.Minidump(ctx, ev.Project, dump)
	}
	if err != nil {
		ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeOutside, Name: "minidump", Value: quoted(map[string]string{"message": fault.Public(err)})})
		return
	}
	for i := range stacks {
		trace := walkedTrace(&stacks[i])
		if len(trace.Frames) == 0 {
			continue
		}
		if stacks[i].Crashed {
			x := &ev.Exceptions[0]
			x.RawStacktrace, x.Stacktrace = kept(x.RawStacktrace, x.Stacktrace), trace
			continue
		}
		id := strconv.FormatUint(stacks[i].Thread, 10)
		if at := slices.IndexFunc(ev.Threads, func(t event.Thread) bool { return t.ID == id }); at >= 0 {
			t := &ev.Threads[at]
			t.RawStacktrace, t.Stacktrace = kept(t.RawStacktrace, t.Stacktrace), trace
		}
	}
}

// kept is the stack that is kept beside a new one: how it came.
func kept(raw, now *event.Stacktrace) *event.Stacktrace {
	if raw != nil {
		return raw
	}
	return now
}

// dumpOf reads the minidump of an event; nil when none is kept.
func (s *Service) dumpOf(ctx context.Context, ev *event.Event) ([]byte, error) {
	files, err := s.store.EventAttachments(ctx, ev.Project, ev.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(a postgres.AttachmentRow) bool { return a.Type == "event.minidump" })
	if i < 0 {
		return nil, nil
	}
	file, err := s.dumps.Open(ctx, files[i].Blob)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	dump, err := io.ReadAll(io.LimitReader(file, maxDump+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "the minidump cannot be read now")
	case len(dump) > maxDump:
		return nil, fault.New(fault.TooLarge, "the minidump has more than the %d MiB that are read", maxDump>>20)
	}
	return dump, nil
}

// walkedTrace is a stack as events have it.
func walkedTrace(from *symbolicator.Stack) *event.Stacktrace {
	trace := &event.Stacktrace{}
	for i := len(from.Frames) - 1; i >= 0; i-- {
		f := &from.Frames[i]
		frame := event.Frame{InstructionAddr: f.InstructionAddr, Trust: f.Trust, Package: f.Package}
		if f.Named() {
			frame = outsideFrame(frame, f)
		}
		trace.Frames = append(trace.Frames, frame)
	}
	return trace
}
