package grouping

import (
	"bytes"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// slot is the place of a variant that strategies fill.
type slot uint8

const (
	slotApp slot = iota
	slotSystem
	slotDefault
	slotCount
)

// components is what a strategy makes of an event: one component per variant, nil where it has none.
type components [slotCount]*node

// strategy is one way to tell issues apart.
type strategy struct {
	applies func(*event.Event) bool
	build   func(*run) components
	// preferApp drops the system variant when it has the same hash.
	preferApp bool
	// stacked drops the variants without stack trace when another one has one.
	stacked bool
}

// strategies in the order of precedence: the first with a contributing component decides.
var strategies = [...]strategy{
	{
		applies:   func(ev *event.Event) bool { return len(ev.Exceptions) > 0 },
		build:     func(r *run) components { v := r.chain(); return components{v[viewApp], v[viewSystem]} },
		preferApp: true, stacked: true,
	},
	{
		applies:   func(ev *event.Event) bool { return len(ev.Threads) > 0 },
		build:     (*run).threads,
		preferApp: true, stacked: true,
	},
	{
		applies: func(ev *event.Event) bool { return ev.Stacktrace != nil },
		build: func(r *run) components {
			t := r.stacktrace(r.ev.Stacktrace)
			return components{t[viewApp], t[viewSystem]}
		},
		preferApp: true, stacked: true,
	},
	{
		applies: func(ev *event.Event) bool { return ev.Template != nil },
		build:   func(r *run) components { return components{slotDefault: r.template()} },
	},
	{
		applies: ofType(event.TypeCSP),
		build:   func(r *run) components { return components{slotDefault: r.csp()} },
	},
	{
		applies: ofType(event.TypeHPKP),
		build:   func(r *run) components { return components{slotDefault: r.hostReport(kindHPKP, "hpkp")} },
	},
	{
		applies: ofType(event.TypeExpectStaple),
		build: func(r *run) components {
			return components{slotDefault: r.hostReport(kindExpectStaple, "expect-staple")}
		},
	},
	{
		applies: ofType(event.TypeExpectCT),
		build:   func(r *run) components { return components{slotDefault: r.hostReport(kindExpectCT, "expect-ct")} },
	},
	{
		applies: func(ev *event.Event) bool { return ev.LogEntry != nil },
		build:   func(r *run) components { return components{slotDefault: r.logEntry()} },
	},
}

func ofType(t event.Type) func(*event.Event) bool {
	return func(ev *event.Event) bool { return ev.Type == t && len(ev.Security) > 0 }
}

// threads chooses the one thread that the event is about.
func (r *run) threads() components {
	list := r.ev.Threads
	chosen := chooseThread(list)
	if chosen.index < 0 {
		n := r.arena.node(kindThreads)
		n.explain(hintThreadChoice, hintDetail{n: chosen.crashed, m: chosen.current, k: int32(len(list))})
		return components{slotApp: n}
	}
	trace := list[chosen.index].Stacktrace
	if trace == nil {
		n := r.arena.node(kindThreads)
		n.off(hintThreadNoStack)
		return components{slotApp: n}
	}
	t := r.stacktrace(trace)
	return components{
		slotApp:    r.arena.parent(kindThreads, t[viewApp]),
		slotSystem: r.arena.parent(kindThreads, t[viewSystem]),
	}
}

// threadChoice is the thread that an event is about, and how many there were to choose from.
type threadChoice struct {
	index            int // -1 when there is none, or more than one
	crashed, current int32
}

// chooseThread finds the only thread that crashed, else the only current one, else the only one.
func chooseThread(list []event.Thread) threadChoice {
	c := threadChoice{index: -1}
	lastCrashed, lastCurrent := -1, -1
	for i := range list {
		if t := &list[i]; t.Crashed != nil && *t.Crashed {
			c.crashed++
			lastCrashed = i
		}
		if t := &list[i]; t.Current != nil && *t.Current {
			c.current++
			lastCurrent = i
		}
	}
	switch {
	case c.crashed == 1:
		c.index = lastCrashed
	case c.current == 1:
		c.index = lastCurrent
	case len(list) == 1:
		c.index = 0
	}
	return c
}

func (r *run) template() *node {
	t := r.ev.Template
	return r.arena.parent(kindTemplate, r.text(kindFilename, t.Filename), r.text(kindContextLine, t.ContextLine))
}

func (r *run) logEntry() *node {
	text := r.ev.LogEntry.Message
	if text == "" {
		text = r.ev.LogEntry.Formatted
	}
	return r.message(kindMessage, text)
}

// apply runs one strategy and settles which of its variants say something of their own.
func (r *run) apply(s *strategy) components {
	c := s.build(r)
	app, system := c[slotApp], c[slotSystem]
	if app == nil || system == nil {
		return c
	}
	if s.preferApp && app.on && system.on && r.sameLeaves(app, system) {
		system.off(hintSameAsApp)
	}
	if s.stacked {
		switch a, b := app.contains(kindStacktrace), system.contains(kindStacktrace); {
		case a && !b:
			system.off(hintOnlyAppStack)
		case b && !a:
			app.off(hintOnlySystemStack)
		}
	}
	return c
}

// sameLeaves reports whether two components have the same hash.
func (r *run) sameLeaves(a, b *node) bool {
	r.buf = a.appendLeaves(r.buf[:0])
	n := len(r.buf)
	r.buf = b.appendLeaves(r.buf)
	return bytes.Equal(r.buf[:n], r.buf[n:])
}

// contributes reports whether any variant of a strategy does.
func (c components) contributes() bool {
	for _, n := range c {
		if n != nil && n.on {
			return true
		}
	}
	return false
}
