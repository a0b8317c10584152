package view

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Exception is one error of a chain, ready to draw.
type Exception struct {
	ID        string // of the element
	Type      string
	Value     string
	Module    string
	Thrown    bool   // the one that reached the client; the others caused it
	Relation  string // how it belongs to its parent: "__cause__", "errors[0]"
	Mechanism string
	Handled   string // "handled", "unhandled", empty when nobody knows
	Facts     []Pair // signal, errno, … of the mechanism
	Help      string // link, http or https
	Stack     Stack
}

// Stack is a trace with the newest call first.
type Stack struct {
	Runs    []FrameRun
	Frames  int
	InApp   int
	Omitted int // older frames that are not drawn
}

// FrameRun is a stretch of frames of one kind. Runs of several frames that are not the
// application's own are folded into one line.
type FrameRun struct {
	Folded bool
	Frames []Frame
}

// Frame is one call.
type Frame struct {
	Function string
	File     string
	Line     int
	Col      int
	Module   string
	Package  string
	Address  string
	InApp    bool
	Open     bool
	Raised   bool // where the error was raised: the newest frame
	Code     []CodeLine
	Vars     []Field
	Note     string // how it was resolved
}

// CodeLine is one line of source.
type CodeLine struct {
	Number int
	Parts  []CodePart
	Raised bool
}

// HasBody reports whether there is more than one line to show.
func (f *Frame) HasBody() bool { return len(f.Code) > 0 || len(f.Vars) > 0 }

// Where is the frame's place for copying: file:line:column.
func (f *Frame) Where() string {
	if f.File == "" {
		return f.Module
	}
	var b []byte
	b = append(b, f.File...)
	if f.Line > 0 {
		b = append(b, ':')
		b = append(b, Long0(f.Line)...)
		if f.Col > 0 {
			b = append(b, ':')
			b = append(b, Long0(f.Col)...)
		}
	}
	return string(b)
}

// maxFrames is how many frames of one trace a page draws; what is beyond is counted.
const maxFrames = 250

// exceptions prepares an event's chain with the thrown one first.
func exceptions(ev *event.Event) []Exception {
	list := make([]Exception, 0, len(ev.Exceptions))
	for i := len(ev.Exceptions) - 1; i >= 0; i-- {
		e := &ev.Exceptions[i]
		x := Exception{
			ID: "exception-" + Long0(i+1), Type: e.Type, Value: e.Value, Module: e.Module,
			Thrown: i == len(ev.Exceptions)-1,
		}
		if m := e.Mechanism; m != nil {
			x.Mechanism, x.Help = m.Type, webLink(m.HelpLink)
			x.Relation = m.Source
			if m.Handled != nil {
				x.Handled = "unhandled"
				if *m.Handled {
					x.Handled = "handled"
				}
			}
			x.Facts = append(pairsOf(m.Meta), pairsOf(m.Data)...)
			if m.Description != "" {
				x.Facts = append(x.Facts, Pair{Key: "description", Value: m.Description})
			}
		}
		x.Stack = stack(e.Stacktrace, ev.Platform)
		list = append(list, x)
	}
	return list
}

// stack prepares a trace: newest call first, the frame to read first open, and stretches of frames
// of others folded. A trace without any frame of the application's own is not folded at all.
func stack(st *event.Stacktrace, platform string) Stack {
	if st == nil {
		return Stack{}
	}
	s := Stack{Frames: len(st.Frames)}
	for i := range st.Frames {
		if ours(&st.Frames[i]) {
			s.InApp++
		}
	}
	s.Omitted = max(0, len(st.Frames)-maxFrames)
	opened := false
	for i := len(st.Frames) - 1; i >= s.Omitted; i-- {
		f := frame(&st.Frames[i], platform)
		f.Raised = i == len(st.Frames)-1
		if !opened && (f.InApp || s.InApp == 0) && f.HasBody() {
			f.Open, opened = true, true
		}
		s.add(f)
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		r.Folded = s.InApp > 0 && len(r.Frames) > 1 && !r.Frames[0].InApp
	}
	return s
}

func (s *Stack) add(f Frame) {
	if n := len(s.Runs); n > 0 && s.Runs[n-1].Frames[0].InApp == f.InApp {
		s.Runs[n-1].Frames = append(s.Runs[n-1].Frames, f)
		return
	}
	s.Runs = append(s.Runs, FrameRun{Frames: []Frame{f}})
}

func ours(f *event.Frame) bool { return f.InApp != nil && *f.InApp }

func frame(f *event.Frame, platform string) Frame {
	out := Frame{
		Function: first(f.Function, f.RawFunction, f.Symbol), File: first(f.Filename, f.AbsPath),
		Line: f.Lineno, Col: f.Colno, Module: f.Module, Package: f.Package,
		Address: f.InstructionAddr, InApp: ours(f),
	}
	if out.Function == "" {
		out.Function = "<anonymous>"
	}
	if f.Data.Sourcemap != "" {
		out.Note = "resolved with " + f.Data.Sourcemap
	}
	out.Code = code(f, first(f.Lang, f.Platform, platform))
	for _, v := range f.Vars {
		out.Vars = append(out.Vars, Field{Name: v.Name, Value: valueOf(v.Value)})
	}
	return out
}

// code numbers the lines around the frame's own.
func code(f *event.Frame, language string) []CodeLine {
	if f.ContextLine == nil {
		return nil
	}
	h := highlighter{language: language}
	start := f.Lineno - len(f.PreContext)
	lines := make([]CodeLine, 0, len(f.PreContext)+len(f.PostContext)+1)
	add := func(text string, raised bool) {
		n := start + len(lines)
		if f.Lineno == 0 || n < 1 {
			n = 0
		}
		lines = append(lines, CodeLine{Number: n, Parts: h.line(text), Raised: raised})
	}
	for _, l := range f.PreContext {
		add(l, false)
	}
	add(*f.ContextLine, true)
	for _, l := range f.PostContext {
		add(l, false)
	}
	return lines
}

// StackText is a chain as plain text, for tickets and terminals.
func StackText(list []Exception) string {
	var sb strings.Builder
	for i := range list {
		x := &list[i]
		if i > 0 {
			sb.WriteString("Caused by ")
		}
		sb.WriteString(x.Type)
		if x.Value != "" {
			sb.WriteString(": " + x.Value)
		}
		sb.WriteByte('\n')
		for _, r := range x.Stack.Runs {
			for j := range r.Frames {
				f := &r.Frames[j]
				sb.WriteString("    at " + f.Function)
				if w := f.Where(); w != "" {
					sb.WriteString(" (" + w + ")")
				}
				sb.WriteByte('\n')
			}
		}
	}
	return sb.String()
}

// first is the first text that is not empty.
func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
