package view

import (
	"github.com/tocsin-dev/tocsin/internal/event"
)

// openExceptions is how many errors of a chain are drawn unfolded.
const openExceptions = 4

// exceptions prepares an event's chain with the thrown one first. Errors of a group follow the
// error that holds them.
func (b *stacks) exceptions() []Exception {
	ev := b.event
	order := chainOrder(ev.Exceptions)
	list := make([]Exception, 0, len(order))
	for _, i := range order {
		e := &ev.Exceptions[i]
		x := Exception{
			ID: "exception-" + Long0(i+1), Type: e.Type, Value: e.Value, Module: e.Module,
			Thrown: i == len(ev.Exceptions)-1, Depth: depth(ev.Exceptions, i),
		}
		b.mechanism(&x, e)
		parent := parentOf(ev.Exceptions, i)
		if parent >= 0 && isGroup(ev.Exceptions, parent) {
			x.Parent = first(ev.Exceptions[parent].Type, "group")
		}
		if isGroup(ev.Exceptions, i) {
			x.Members = membersOf(ev.Exceptions, i)
		}
		tried := -1
		if parent >= 0 && !isGroup(ev.Exceptions, parent) {
			tried = caughtAt(e.Stacktrace, ev.Exceptions[parent].Stacktrace)
		}
		b.traces(&x, e, i, tried)
		x.Folded = len(list) >= openExceptions && len(order) > openExceptions+1
		list = append(list, x)
	}
	return list
}

func (b *stacks) mechanism(x *Exception, e *event.Exception) {
	m := e.Mechanism
	if m == nil {
		return
	}
	x.Mechanism, x.Help, x.Relation = m.Type, webLink(m.HelpLink), m.Source
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

// traces adds the trace of an exception in the version that the reader wants.
func (b *stacks) traces(x *Exception, e *event.Exception, i, tried int) {
	path, n := "exception.values."+Long0(i)+".", Long0(i)
	now, then := e.Stacktrace, e.RawStacktrace
	if b.look.Version == "raw" && then != nil {
		x.Stack = b.stack(then, path+"raw_stacktrace", "r"+n, -1)
		return
	}
	x.Stack = b.stack(now, path+"stacktrace", n, tried)
	if b.look.Version != "both" || now == nil || then == nil {
		return
	}
	for k := range min(len(now.Frames), len(then.Frames), maxFrames) {
		at := k
		if !b.look.Oldest {
			at = min(len(now.Frames), len(then.Frames)) - 1 - k
		}
		x.Twins = append(x.Twins, Twin{b.frame(&now.Frames[at], ""), b.frame(&then.Frames[at], "")})
	}
}

// chainOrder lists the exceptions from the thrown one on. The wire has causes first; with the ids
// that newer SDKs send, each error is followed by those it holds.
// Rule: https://develop.sentry.dev/sdk/foundations/data-model/event-payloads/exception/
func chainOrder(list []event.Exception) []int {
	order := make([]int, 0, len(list))
	done := make([]bool, len(list))
	var walk func(i int)
	walk = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		order = append(order, i)
		if id := exceptionID(&list[i]); id >= 0 {
			for j := len(list) - 1; j >= 0; j-- {
				if parentOf(list, j) == i {
					walk(j)
				}
			}
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		walk(i)
	}
	return order
}

func exceptionID(e *event.Exception) int {
	if e.Mechanism == nil || e.Mechanism.ExceptionID == nil {
		return -1
	}
	return *e.Mechanism.ExceptionID
}

// parentOf is the index of the exception that the one at i belongs to or caused, -1 for none.
// Without ids it is the next one of the chain.
func parentOf(list []event.Exception, i int) int {
	m := list[i].Mechanism
	if m != nil && m.ParentID != nil {
		for j := range list {
			if j != i && exceptionID(&list[j]) == *m.ParentID {
				return j
			}
		}
		return -1
	}
	if exceptionID(&list[i]) >= 0 || i+1 >= len(list) {
		return -1
	}
	return i + 1
}

func isGroup(list []event.Exception, i int) bool {
	m := list[i].Mechanism
	return m != nil && m.IsExceptionGroup != nil && *m.IsExceptionGroup
}

func membersOf(list []event.Exception, i int) (n int) {
	for j := range list {
		if parentOf(list, j) == i {
			n++
		}
	}
	return n
}

// depth is how many groups hold the exception at i.
func depth(list []event.Exception, i int) (n int) {
	for steps := 0; steps < len(list); steps++ {
		p := parentOf(list, i)
		if p < 0 {
			return n
		}
		if isGroup(list, p) {
			n++
		}
		i = p
	}
	return n
}

// caughtAt is the frame of a cause whose function caught it: the newest one that is also among the
// calls of the error that was raised instead. It is -1 when there is none.
func caughtAt(cause, then *event.Stacktrace) int {
	if cause == nil || then == nil {
		return -1
	}
	type place struct{ file, function string }
	known := make(map[place]bool, len(then.Frames))
	for i := range then.Frames {
		f := &then.Frames[i]
		known[place{first(f.AbsPath, f.Filename), f.Function}] = true
	}
	for i := len(cause.Frames) - 1; i >= 0; i-- {
		f := &cause.Frames[i]
		if p := (place{first(f.AbsPath, f.Filename), f.Function}); p.function != "" && p.file != "" && known[p] {
			return i
		}
	}
	return -1
}

// FrameBody is the source and variables of one frame; exception and frame count as the event does,
// the oldest first. ok is false when there is no such frame.
func FrameBody(ev *event.Event, thread bool, exception, frame int, raw bool) (f Frame, ok bool) {
	var st *event.Stacktrace
	path := "exception.values."
	switch {
	case thread && exception >= 0 && exception < len(ev.Threads):
		path, st = "threads.values.", ev.Threads[exception].Stacktrace
		if raw {
			st = ev.Threads[exception].RawStacktrace
		}
	case !thread && exception >= 0 && exception < len(ev.Exceptions):
		st = ev.Exceptions[exception].Stacktrace
		if raw {
			st = ev.Exceptions[exception].RawStacktrace
		}
	case !thread && len(ev.Exceptions) == 0:
		path, st = "", ev.Stacktrace
	}
	if st == nil || frame < 0 || frame >= len(st.Frames) {
		return Frame{}, false
	}
	b := &stacks{values: &values{meta: ev.Meta}, event: ev}
	f = b.frame(&st.Frames[frame], "")
	name := "stacktrace"
	if raw {
		name = "raw_stacktrace"
	}
	if path != "" {
		name = path + Long0(exception) + "." + name
	}
	b.fill(&f, &st.Frames[frame], name+".frames."+Long0(frame)+".vars")
	return f, true
}

// TreeLine is a line of the tree that a group of exceptions makes.
type TreeLine struct {
	Href, Text string
	Depth      int
	Members    int
}

// tree lists the exceptions of a group; nothing for a plain chain.
func tree(list []Exception) []TreeLine {
	grouped := false
	lines := make([]TreeLine, len(list))
	for i := range list {
		x := &list[i]
		grouped = grouped || x.Members > 0
		text := first(x.Type, "Error")
		if x.Value != "" {
			text += ": " + cutText(x.Value, 100)
		}
		lines[i] = TreeLine{Href: "#" + x.ID, Text: text, Depth: min(x.Depth, 6), Members: x.Members}
	}
	if !grouped {
		return nil
	}
	return lines
}
