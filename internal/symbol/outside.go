package symbol

import (
	"context"
	"fmt"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/symbolicator"
)

// typeOutside says that the external program could not help.
// Rule: getsentry/sentry src/sentry/models/eventerror.py
const typeOutside = "native_symbolicator_failed"

// AskOutside lets native frames that no uploaded file names be named by an external program, which
// also walks the stacks of minidumps, which ReadDumps names, when events are symbolicated again. It must
// be called before the first event.
func (s *Service) AskOutside(c *symbolicator.Client) { s.outside = c }

// asked is a stack trace that the external program is asked about, with the places of its frames.
type asked struct {
	stack
	places []int // in the stack trace, innermost first
}

// nativeOutside names what is left by the external program. When that is away, the event gets a note
// and stays as it is.
func (s *Service) nativeOutside(ctx context.Context, ev *event.Event, images []loaded) (changed bool) {
	if s.outside == nil || len(images) == 0 {
		return false
	}
	q, list := question(ev, images)
	if len(list) == 0 {
		return false
	}
	answer, err := s.outside.Symbolicate(ctx, q)
	if err != nil {
		s.frames.WithLabelValues(typeOutside).Inc()
		ev.Errors = append(ev.Errors, event.ProcessingError{Type: typeOutside, Value: quoted(map[string]string{"message": fault.Public(err)})})
		return false
	}
	for i, a := range list {
		frames, touched := merged(a, answer[i].Frames)
		if !touched {
			continue
		}
		if changed = true; a.raw != nil && *a.raw == nil {
			kept := *a.trace
			*a.raw = &kept
		}
		a.trace.Frames = frames
	}
	return changed
}

// question gathers the frames that are not named yet.
func question(ev *event.Event, images []loaded) (q symbolicator.Query, list []asked) {
	q.Project = ev.Project
	for _, st := range stacks(ev) {
		a, frames := asked{stack: st}, []symbolicator.Frame{}
		for i := len(st.trace.Frames) - 1; i >= 0; i-- {
			if f := &st.trace.Frames[i]; isNative(f, ev.Platform) {
				a.places = append(a.places, i)
				frames = append(frames, symbolicator.Frame{InstructionAddr: f.InstructionAddr, AddrMode: f.AddrMode, Trust: f.Trust})
			}
		}
		if len(frames) > 0 {
			list, q.Stacks = append(list, a), append(q.Stacks, symbolicator.Stack{Frames: frames})
		}
	}
	place := make(map[int]int, len(images)) // of modules in the query, by their place in the event
	for i, m := range images {
		place[m.index] = i
		q.Modules = append(q.Modules, symbolicator.Module{Type: m.Type, DebugID: m.DebugID, CodeID: m.CodeID, DebugFile: m.DebugFile, CodeFile: m.CodeFile,
			ImageAddr: m.ImageAddr, ImageSize: m.ImageSize})
	}
	for _, stack := range q.Stacks {
		for i := range stack.Frames {
			var n int
			if _, err := fmt.Sscanf(stack.Frames[i].AddrMode, "rel:%d", &n); err == nil {
				stack.Frames[i].AddrMode = fmt.Sprintf("rel:%d", place[n])
			}
		}
	}
	return q, list
}

// merged puts the answer into a stack trace: frames that were named in the place of those that were
// asked about, with the calls that were inlined.
func merged(a asked, answer []symbolicator.Frame) (frames []event.Frame, touched bool) {
	named := make(map[int][]*symbolicator.Frame) // by place in the stack trace, innermost first
	for i := range answer {
		if f := &answer[i]; f.Named() && f.OriginalIndex >= 0 && f.OriginalIndex < len(a.places) {
			at := a.places[f.OriginalIndex]
			named[at] = append(named[at], f)
			touched = true
		}
	}
	if !touched {
		return nil, false
	}
	for i := range a.trace.Frames {
		calls := named[i]
		if len(calls) == 0 || len(frames)+len(calls) > maxUndone {
			frames = append(frames, a.trace.Frames[i])
			continue
		}
		for n := len(calls) - 1; n >= 0; n-- {
			frames = append(frames, outsideFrame(a.trace.Frames[i], calls[n]))
		}
	}
	return frames, true
}

func outsideFrame(f event.Frame, from *symbolicator.Frame) event.Frame {
	f.Function, f.Symbol = from.Function, ""
	if from.Symbol != from.Function {
		f.Symbol = from.Symbol
	}
	for _, field := range []struct {
		into *string
		text string
	}{{&f.SymbolAddr, from.SymAddr}, {&f.Package, from.Package}, {&f.Lang, from.Lang}, {&f.AbsPath, from.AbsPath}, {&f.Filename, from.Filename}} {
		if field.text != "" {
			*field.into = field.text
		}
	}
	f.Lineno = max(from.Lineno, 0)
	f.Data.Other = append(slices.Clone(f.Data.Other), event.Member{Name: "symbolicated", Value: event.Value("true")})
	return f
}
