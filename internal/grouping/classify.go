package grouping

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// stack is one stack trace of the event with the state of its frames.
type stack struct {
	trace    *event.Stacktrace
	from, to int // range in run.states
	owner    owner
}

// prepare makes all stack traces of the event ready for grouping: function names are trimmed,
// rules decide what is in-app, and what is still open is not.
func (r *run) prepare() {
	ev := r.ev
	for i := range ev.Exceptions {
		e := &ev.Exceptions[i]
		o := owner{errType: e.Type, value: e.Value}
		if e.Mechanism != nil {
			o.mechanism = e.Mechanism.Type
		}
		r.prepareTrace(e.Stacktrace, o)
		r.prepareTrace(e.RawStacktrace, o)
	}
	r.prepareTrace(ev.Stacktrace, owner{})
	for i := range ev.Threads {
		r.prepareTrace(ev.Threads[i].Stacktrace, owner{})
		r.prepareTrace(ev.Threads[i].RawStacktrace, owner{})
	}
}

func (r *run) prepareTrace(trace *event.Stacktrace, o owner) {
	if trace == nil || len(trace.Frames) == 0 {
		return
	}
	s := stack{trace: trace, from: len(r.states), owner: o}
	for i := range trace.Frames {
		f := &trace.Frames[i]
		platform := platformOf(f, r.ev)
		r.tidyFrame(f, platform)
		st := frameState{
			frame: f, platform: platform, family: familyOf(platform), function: f.Function,
			category: f.Data.Category, inApp: stateOf(f.InApp),
		}
		if st.function == "" {
			st.function = "<unknown>"
		}
		r.states = append(r.states, st)
	}
	s.to = len(r.states)
	r.stacks = append(r.stacks, s)
	frames := r.states[s.from:s.to]
	for i := range frames {
		r.buf = frames[i].appendKey(r.buf[:0])
		for which, set := range r.sets {
			if set != nil {
				frames[i].candidates[which] = set.candidates(&frames[i], r.buf)
			}
		}
	}
	r.classify(frames, o)
	for i := range frames {
		frames[i].settle()
	}
}

// tidyFrame brings one frame into the form that rules and hashes look at.
func (r *run) tidyFrame(f *event.Frame, platform string) {
	if f.RawFunction == "" && f.Function != "" {
		if short := TrimFunction(f.Function, platform); short != f.Function {
			f.RawFunction, f.Function = f.Function, short
		}
	}
	if o := f.Data.OrigInApp; o != nil {
		f.InApp = nil
		if *o >= 0 {
			f.InApp = new(*o != 0)
		}
	}
	if f.InApp != nil && stateOf(f.Data.ClientInApp) != stateOf(f.InApp) {
		f.Data.ClientInApp = new(*f.InApp)
	}
	switch r.ev.Platform {
	case "javascript":
		f.Filename = withoutQuery(f.Filename)
	case "python":
		if f.Data.OrigContextLine != "" {
			f.ContextLine = new(f.Data.OrigContextLine)
		}
		if r.cfg.maskSpawn {
			maskSpawn(f)
		}
	}
}

// withoutQuery cuts the query of an address; its fragment stays.
func withoutQuery(name string) string {
	address, _, _ := strings.Cut(name, "#")
	if _, query, _ := strings.Cut(address, "?"); query != "" {
		return strings.ReplaceAll(name, "?"+query, "")
	}
	return name
}

var (
	spawnLine   = regexp.MustCompile(`^from multiprocessing\.spawn import spawn_main; spawn_main\((?:tracker_fd|parent_pid)=\d+, pipe_handle=\d+\)`)
	spawnNumber = regexp.MustCompile(`=\d+`)
)

// maskSpawn replaces the numbers in the command line of a multiprocessing child, which Python
// reports as source.
func maskSpawn(f *event.Frame) {
	if f.Module != "__main__" || f.Filename != "<string>" || f.Function != "<module>" ||
		f.ContextLine == nil || !spawnLine.MatchString(*f.ContextLine) {
		return
	}
	if f.Data.OrigContextLine == "" {
		f.Data.OrigContextLine = *f.ContextLine
	}
	f.ContextLine = new(spawnNumber.ReplaceAllLiteralString(*f.ContextLine, "=<int>"))
}

// settle writes the decision back to the frame.
func (f *frameState) settle() {
	before := stateOf(f.frame.InApp)
	if f.inApp == stateUnset {
		f.inApp = stateOff
	}
	if f.inApp != before {
		if f.frame.Data.OrigInApp == nil {
			f.frame.Data.OrigInApp = new(int(before) - int(stateOff))
		}
		f.frame.InApp = new(f.inApp == stateOn)
	}
	f.frame.Data.Category = f.category
}

// classify applies the rules that decide in-app and category. A rule first finds all its frames,
// then acts on them; the next rule sees the result.
func (r *run) classify(frames []frameState, o owner) {
	r.categories = r.categories[:0]
	for i := range frames {
		r.noteCategory(frames[i].category)
	}
	for which, set := range r.sets {
		if set == nil {
			continue
		}
		set.each(set.classify, frames, which, func(index int, ru *rule) {
			r.matched = r.matched[:0]
			if ru.category != "" && !slices.Contains(r.categories, ru.category) || !ru.owns(o) {
				return
			}
			for i := range frames {
				if frames[i].candidates[which].has(index) && ru.matches(frames, i) {
					r.matched = append(r.matched, i)
				}
			}
			for _, i := range r.matched {
				ru.classifyFrom(frames, i)
				r.noteCategory(ru.setTo)
			}
		})
	}
}

// noteCategory remembers that a frame of the stack at hand has, or had, a category.
func (r *run) noteCategory(c string) {
	if c != "" && !slices.Contains(r.categories, c) {
		r.categories = append(r.categories, c)
	}
}

// owns tests the conditions on the exception.
func (ru *rule) owns(o owner) bool {
	for _, m := range ru.owner {
		if !m.exception(o) {
			return false
		}
	}
	return true
}

// matches tests the conditions that are left for a candidate: those on what rules change, and
// those on its neighbours.
func (ru *rule) matches(frames []frameState, i int) bool {
	for _, m := range ru.dynamic {
		if !m.frame(&frames[i]) {
			return false
		}
	}
	if ru.caller != nil && (i == 0 || !ru.caller.frame(&frames[i-1])) {
		return false
	}
	return ru.callee == nil || i+1 < len(frames) && ru.callee.frame(&frames[i+1])
}

// classifyFrom carries out the actions on in-app and category for a frame that matched.
func (ru *rule) classifyFrom(frames []frameState, i int) {
	for _, a := range ru.app {
		want := stateOff
		if a.on {
			want = stateOn
		}
		from, to := a.span(i, len(frames))
		for j := from; j < to; j++ {
			frames[j].inApp, frames[j].appRule = want, ru
		}
	}
	if ru.setTo != "" {
		frames[i].category = ru.setTo
	}
}

// hit says that a rule with contribution actions matched a frame.
type hit struct {
	rule  *rule
	frame int
}

// findHits lists the matches of the rules that decide what contributes, in order. They hold for
// all variants, as the actions change nothing that conditions look at.
func (r *run) findHits(frames []frameState, o owner) []hit {
	r.hits = r.hits[:0]
	for which, set := range r.sets {
		if set == nil {
			continue
		}
		set.each(set.contribute, frames, which, func(index int, ru *rule) {
			if !ru.owns(o) {
				return
			}
			for i := range frames {
				if frames[i].candidates[which].has(index) && ru.matches(frames, i) {
					r.hits = append(r.hits, hit{rule: ru, frame: i})
				}
			}
		})
	}
	return r.hits
}
