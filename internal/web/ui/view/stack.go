package view

import (
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Exception is one error of a chain or group, ready to draw.
type Exception struct {
	ID        string // of the element
	Type      string
	Value     string
	Module    string
	Thrown    bool   // the one that reached the client; the others caused it
	Relation  string // how it belongs to its parent: "__cause__", "errors[0]"
	Parent    string // "ExceptionGroup", when it is a member of a group
	Depth     int    // in the tree of a group, 0 for what was thrown
	Members   int    // of a group, direct ones
	Mechanism string
	Handled   string // "handled", "unhandled", empty when nobody knows
	Facts     []Pair // signal, errno, … of the mechanism
	Help      string // link, http or https
	Folded    bool   // far down a chain: unfolds on demand
	Stack     Stack
	Twins     []Twin // each frame as it is and as it arrived, when the reader asks for both
}

// Stack is a trace in the reader's order.
type Stack struct {
	Runs    []FrameRun
	Frames  int
	InApp   int
	Omitted int    // older frames that are not drawn
	Dropped string // frames that the client left out, in words
}

// FrameRun is a stretch of frames of one kind. Runs of several frames that are not the
// application's own are folded into one line.
type FrameRun struct {
	Folded bool
	Frames []Frame
}

// Frame is one call.
type Frame struct {
	ID       string // of the element: "f-2-17"
	Function string
	File     string
	Line     int
	Col      int
	Module   string
	Package  string
	Address  string
	InApp    bool
	Open     bool
	Raised   bool   // where the error was raised: the newest frame
	Tried    bool   // its function caught the error and raised another
	Body     string // address of its source and variables, when they are not here
	Code     []CodeLine
	Vars     []Field
	Link     string // to the source in its repository
	Note     string // how it was resolved
	Trust    string // how a native frame was found: "scan" and the like
}

// Twin is a frame as processing resolved it beside the frame that arrived.
type Twin struct{ Now, Then Frame }

// CodeLine is one line of source.
type CodeLine struct {
	Number int
	Parts  []CodePart
	Raised bool
}

// HasBody reports whether there is more than one line to show.
func (f *Frame) HasBody() bool { return len(f.Code) > 0 || len(f.Vars) > 0 || f.Body != "" }

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

// StackLook is how a reader wants traces.
type StackLook struct {
	Oldest   bool   // the outermost call first
	Full     bool   // nothing folded
	Absolute bool   // whole paths
	Version  string // "" resolved, "raw" as it arrived, "both" side by side
}

// Bounds of what is drawn of traces.
const (
	maxFrames    = 250 // of one trace; what is beyond is counted
	inlineBodies = 5   // frames whose source and variables come with the page
)

// stacks draws the traces of one event.
type stacks struct {
	values *values
	look   StackLook
	event  *event.Event
	open   map[string]bool // frames that the address opens, by ID
	bodies string          // address that the bodies of frames are below; empty: all come with the page
	inline int             // bodies that came with the page so far
}

// stack prepares a trace: the frame to read first open, and stretches of frames of others folded. A
// trace without any frame of the application's own is not folded at all. path is where the event has
// it, n tells traces of one page apart, tried is the frame that caught the error, -1 for none.
func (b *stacks) stack(st *event.Stacktrace, path, n string, tried int) Stack {
	if st == nil {
		return Stack{}
	}
	s := Stack{Frames: len(st.Frames), Dropped: dropped(st.FramesOmitted)}
	for i := range st.Frames {
		if ours(&st.Frames[i]) {
			s.InApp++
		}
	}
	s.Omitted = max(0, len(st.Frames)-maxFrames)
	list := make([]Frame, 0, len(st.Frames)-s.Omitted)
	opened := false
	for i := len(st.Frames) - 1; i >= s.Omitted; i-- {
		f := b.frame(&st.Frames[i], "f-"+n+"-"+Long0(i))
		f.Raised, f.Tried = i == len(st.Frames)-1, i == tried
		has := hasBody(&st.Frames[i])
		if has && !opened && (f.InApp || s.InApp == 0) || b.open[f.ID] {
			f.Open, opened = true, true
		}
		if has {
			b.body(&f, &st.Frames[i], path+".frames."+Long0(i)+".vars", n+"-"+Long0(i))
		}
		list = append(list, f)
	}
	if b.look.Oldest {
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	}
	for _, f := range list {
		s.add(f)
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		r.Folded = !b.look.Full && s.InApp > 0 && len(r.Frames) > 1 && !r.Frames[0].InApp && !anyOpen(r.Frames)
	}
	return s
}

func anyOpen(list []Frame) bool {
	for i := range list {
		if list[i].Open {
			return true
		}
	}
	return false
}

// body adds the source and variables of a frame, or where they are to be had.
func (b *stacks) body(f *Frame, from *event.Frame, vars, number string) {
	if b.bodies != "" && !f.Open && (!f.InApp || b.inline >= inlineBodies) {
		f.Body = b.bodies + number
		return
	}
	b.inline++
	b.fill(f, from, vars)
}

func (b *stacks) fill(f *Frame, from *event.Frame, vars string) {
	f.Code = code(from, first(from.Lang, from.Platform, b.event.Platform))
	for _, v := range from.Vars {
		f.Vars = append(f.Vars, Field{Name: v.Name, Value: b.values.at(vars+"."+v.Name, v.Value)})
	}
}

func hasBody(f *event.Frame) bool { return f.ContextLine != nil || len(f.Vars) > 0 }

func (s *Stack) add(f Frame) {
	if n := len(s.Runs); n > 0 && s.Runs[n-1].Frames[0].InApp == f.InApp {
		s.Runs[n-1].Frames = append(s.Runs[n-1].Frames, f)
		return
	}
	s.Runs = append(s.Runs, FrameRun{Frames: []Frame{f}})
}

// dropped tells which frames the client left out.
func dropped(v event.Value) string {
	var ends []int
	if len(v) == 0 || v[0] != '[' {
		return ""
	}
	members(v, func(_ string, item event.Value) {
		if n, err := strconv.Atoi(string(item)); err == nil {
			ends = append(ends, n)
		}
	})
	if len(ends) != 2 || ends[1] <= ends[0] {
		return ""
	}
	return counted(ends[1]-ends[0], "frame", "frames") + " left out by the client, after the first " + Long0(ends[0])
}

func ours(f *event.Frame) bool { return f.InApp != nil && *f.InApp }

// frame is the line of a frame, without its body.
func (b *stacks) frame(f *event.Frame, id string) Frame {
	out := Frame{
		ID: id, Function: first(f.Function, f.RawFunction, f.Symbol), File: first(f.Filename, f.AbsPath),
		Line: f.Lineno, Col: f.Colno, Module: f.Module, Package: f.Package,
		Address: f.InstructionAddr, InApp: ours(f), Link: webLink(f.SourceLink),
	}
	if b.look.Absolute && f.AbsPath != "" {
		out.File = f.AbsPath
	}
	if out.Function == "" {
		out.Function = "<anonymous>"
	}
	if f.Data.Sourcemap != "" {
		out.Note = "resolved with " + f.Data.Sourcemap
	}
	if f.Trust != "" && f.Trust != "context" && f.Trust != "cfi" {
		out.Trust = f.Trust
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

// StackText is a chain as plain text, for tickets and terminals: every frame, newest first.
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

// raised reports whether the run has the frame where the error was raised.
func (r *FrameRun) raised() bool {
	for i := range r.Frames {
		if r.Frames[i].Raised {
			return true
		}
	}
	return false
}
