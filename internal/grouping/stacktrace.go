package grouping

import "github.com/tocsin-dev/tocsin/internal/event"

// view is one way to look at an event: only at the project's own code, or at all of it.
type view uint8

const (
	viewApp view = iota
	viewSystem
	viewCount
)

// traces is the component of a stack trace in each view.
type traces [viewCount]*node

// stacktrace builds the components of a stack trace. An empty or missing one does not contribute.
func (r *run) stacktrace(trace *event.Stacktrace) traces {
	s := r.stackOf(trace)
	if s == nil {
		none := traces{r.arena.node(kindStacktrace), r.arena.node(kindStacktrace)}
		if trace != nil {
			none[viewApp].off(hintNoFrames)
			none[viewSystem].off(hintNoFrames)
		}
		return none
	}
	frames := r.states[s.from:s.to]
	r.nodes = r.nodes[:0]
	for i := range frames {
		n := r.frame(frames[i].frame, frames[i].platform)
		if i > 0 && sameFrame(frames[i-1].frame, frames[i].frame) {
			n.off(hintRecursion)
		}
		r.nodes = append(r.nodes, n)
	}
	hits := r.findHits(frames, s.owner)
	t := traces{r.view(viewApp, frames, hits), r.view(viewSystem, frames, hits)}
	r.weigh(t, frames)
	return t
}

// stackOf finds the prepared state of a stack trace, nil for one without frames.
func (r *run) stackOf(trace *event.Stacktrace) *stack {
	for i := range r.stacks {
		if r.stacks[i].trace == trace {
			return &r.stacks[i]
		}
	}
	return nil
}

// sameFrame reports whether a frame repeats the one before it.
func sameFrame(a, b *event.Frame) bool {
	return a.Lineno == b.Lineno && a.Colno == b.Colno && a.Function == b.Function && a.Module == b.Module &&
		a.Filename == b.Filename && a.AbsPath == b.AbsPath && a.Package == b.Package
}

// weigh compares both views and switches off the one that says nothing.
func (r *run) weigh(t traces, frames []frameState) {
	contributing, inApp, both := 0, 0, 0
	n := t[viewSystem].first
	for i := range frames {
		app := frames[i].inApp == stateOn
		if n.on {
			contributing++
		}
		if app {
			inApp++
		}
		if n.on && app {
			both++
		}
		n = n.next
	}
	if contributing == 0 {
		t[viewSystem].off(hintNoContributing)
	}
	switch {
	case inApp == 0:
		t[viewApp].off(hintNoInApp)
	case both == 0:
		t[viewApp].off(hintNoContributing)
	}
}

// view builds the component of a stack trace as one view sees it. The frames' nodes are copied, as
// their state differs between views; what they consist of is shared.
func (r *run) view(v view, frames []frameState, hits []hit) *node {
	first := r.copyFrames(v, frames)
	t := r.arena.node(kindStacktrace)
	t.first = first
	minFrames, fewer := r.contribute(first, len(frames), hits)
	on := int32(0)
	i := 0
	for n := first; n != nil; n = n.next {
		if n.on {
			on++
		}
		if v == viewApp {
			if frames[i].inApp != stateOn {
				n.on = false
			}
			if r.complete {
				mark(n, &frames[i])
			}
		}
		i++
	}
	t.on = on > 0
	if t.on && on < minFrames {
		t.on = false
		t.explain(hintMinFrames, hintDetail{n: on, frame: frameNote{groupBy: fewer}})
	}
	return t
}

// copyFrames copies the frames' nodes for a view, with the state they have before rules.
func (r *run) copyFrames(v view, frames []frameState) (first *node) {
	var last *node
	for i, src := range r.nodes {
		n := r.arena.node(kindFrame)
		n.first, n.on, n.code = src.first, src.on, src.code
		if v == viewApp && frames[i].inApp != stateOn {
			n.on = false
		}
		if last == nil {
			first = n
		} else {
			last.next = n
		}
		last = n
	}
	if len(frames) == 1 && first.on {
		r.doubtLoneFrame(first, &frames[0])
	}
	return first
}

// doubtLoneFrame switches off a single JavaScript frame that says nothing about the code.
func (r *run) doubtLoneFrame(n *node, f *frameState) {
	if f.family != familyJavaScript || f.frame.Function != "" {
		return
	}
	if url := fromURL(f.frame.AbsPath, true); url != r.cfg.ignoreLoneNonURL {
		n.off(hintLoneFrame)
	}
}

// contribute applies the rules' actions to the frames of one view, and returns how many of them
// must contribute for the stack trace to do so, and by which rule.
func (r *run) contribute(first *node, n int, hits []hit) (minFrames int32, minBy *rule) {
	if len(hits) == 0 {
		return 0, nil
	}
	r.changes = r.changes[:0]
	for c := first; c != nil; c = c.next {
		r.changes = append(r.changes, change{node: c})
	}
	maxFrames, maxBy := int32(0), (*rule)(nil)
	for _, h := range hits {
		for _, a := range h.rule.group {
			from, to := a.span(h.frame, n)
			for i := from; i < to; i++ {
				if c := &r.changes[i]; c.node.on != a.on {
					c.node.on, c.by = a.on, h.rule
				}
			}
		}
		if h.rule.maxSet {
			maxFrames, maxBy = h.rule.max, h.rule
		}
		if h.rule.minSet {
			minFrames, minBy = h.rule.min, h.rule
		}
	}
	for i := range r.changes {
		if c := &r.changes[i]; r.complete && c.by != nil {
			c.node.explain(hintFrame, hintDetail{frame: frameNote{groupBy: c.by, on: c.node.on}})
		}
	}
	r.limitFrames(maxFrames, maxBy)
	return minFrames, minBy
}

// change follows what rules do to one frame of a view.
type change struct {
	node *node
	by   *rule // the last one that changed something
}

// limitFrames keeps the limit contributing frames next to the crash, as a rule asks for; 0 keeps all.
func (r *run) limitFrames(limit int32, by *rule) {
	if limit <= 0 {
		return
	}
	count := int32(0)
	for i := len(r.changes) - 1; i >= 0; i-- {
		n := r.changes[i].node
		if !n.on {
			continue
		}
		if count++; count > limit {
			n.on = false
			n.explain(hintFrame, hintDetail{frame: frameNote{counted: true, maxOnly: limit, groupBy: by}})
		}
	}
}

// mark adds to a frame's hint who decided whether it is in-app, which the app view shows.
func mark(n *node, f *frameState) {
	note := frameNote{unless: n.code}
	if n.code == hintFrame {
		note = n.detail.frame
	}
	note.showApp, note.inApp, note.joined = true, f.inApp == stateOn, n.on
	client := f.frame.Data.ClientInApp
	switch {
	case client != nil && *client == note.inApp:
		note.mark = markClient
	case f.appRule != nil:
		note.mark, note.markBy = markRule, f.appRule
	case !note.inApp:
		note.mark = markDefault
	}
	n.explain(hintFrame, hintDetail{frame: note})
}
