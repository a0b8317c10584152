package scrub

import (
	"strconv"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// walker is one Apply under way.
type walker struct {
	s       *Scrubber
	ev      *event.Event
	place   place
	steps   int
	changed bool
	before  []event.Pair // the automatic tags before the first change

	// Scratch.
	rules  []*rule
	pieces []piece
	spans  []span
	out    []byte
	name   []byte

	named   string // what nameLook saw last
	nameHas look
}

var walkers = sync.Pool{New: func() any { return new(walker) }}

// Apply removes what the settings say from an event, in place, and remarks each change in Meta.
// Applying twice is applying once; rules that find what they write rely on their remarks for that,
// so on names that Meta can hold. The event must not be used by others meanwhile.
func (c *Scrubber) Apply(ev *event.Event) {
	if len(c.apps) == 0 {
		return
	}
	w := walkers.Get().(*walker)
	w.s, w.ev, w.steps, w.changed = c, ev, maxStepsPerEvent, false
	w.event()
	if w.changed {
		w.retag()
	}
	w.release()
}

// change notes that something is about to change.
func (w *walker) change() {
	if !w.changed {
		w.changed, w.before = true, w.ev.AutoTags()
	}
}

// release gives the scratch back without what it points to.
func (w *walker) release() {
	w.s, w.ev, w.before = nil, nil, nil
	w.named, w.nameHas = "", look{}
	clear(w.place.path[:cap(w.place.path)])
	clear(w.pieces[:cap(w.pieces)])
	if cap(w.pieces) <= 4*maxSpans && cap(w.out) <= 64<<10 {
		walkers.Put(w)
	}
}

// push enters a value; pop leaves it.
func (w *walker) push(e element) { w.place.path = append(w.place.path, e) }
func (w *walker) pop()           { w.place.path = w.place.path[:len(w.place.path)-1] }

// member enters a named value.
func (w *walker) member(name string, k kinds) {
	w.push(element{key: name, index: -1, pair: -1, kinds: k})
}

// item enters an entry of a list.
func (w *walker) item(i int, k kinds) { w.push(element{index: i, pair: -1, kinds: k}) }

// path is the dotted path of the current place, as remarks name it.
func (w *walker) path() string {
	w.name = w.name[:0]
	for i := range w.place.path {
		if i > 0 {
			w.name = append(w.name, '.')
		}
		switch e := &w.place.path[i]; {
		case e.pair >= 0:
			w.name = append(strconv.AppendInt(w.name, int64(e.pair), 10), ".1"...)
		case e.index >= 0:
			w.name = strconv.AppendInt(w.name, int64(e.index), 10)
		default:
			w.name = append(w.name, e.key...)
		}
	}
	return string(w.name)
}

// field visits a text of the event's own structure.
func (w *walker) field(name string, m mark, s *string) {
	if *s == "" || m == markMaybe && !w.s.advanced {
		return
	}
	w.member(name, kindString)
	w.place.mark = m
	if out, v := w.text(*s, name, false); v != kept {
		*s = out
	}
	w.pop()
}

// exemptField visits a text that the built-in rules leave alone.
func (w *walker) exemptField(name string, m mark, s *string) {
	w.place.exempt = true
	w.field(name, m, s)
	w.place.exempt = false
}

// drops reports whether a part of the event's structure goes as a whole, and remarks it.
func (w *walker) drops(name string, m mark) bool {
	w.place.mark = m
	r := w.solid(name)
	if r == nil {
		return false
	}
	w.remark(w.path(), []event.Remark{{Rule: r.shown, Kind: methodRemove.kind()}}, 0)
	return true
}

// object visits a free-form object; nil is what remains of one that goes as a whole.
func (w *walker) object(name string, k kinds, m mark, o *event.Object) {
	if len(*o) == 0 || m == markMaybe && !w.s.advanced {
		return
	}
	w.member(name, k|kindObject)
	if w.drops(name, m) {
		*o = nil
	} else {
		w.members(*o, m)
	}
	w.pop()
}

// members visits the members of the object that the walker is in.
func (w *walker) members(o event.Object, m mark) {
	for i := range o {
		w.raw(o[i].Name, m, &o[i].Value)
	}
}

// pairs visits a list of names and values.
func (w *walker) pairs(name string, m mark, list []event.Pair) {
	if len(list) == 0 || m == markMaybe && !w.s.advanced {
		return
	}
	w.member(name, kindArray)
	for i := range list {
		p := &list[i]
		if p.Value == "" {
			continue
		}
		w.push(element{key: p.Key, index: -1, pair: i, kinds: kindString})
		w.place.mark = m
		w.place.exempt = name == "headers" && len(p.Key) == len("User-Agent") && foldEqual(p.Key, "user-agent")
		if out, v := w.text(p.Value, p.Key, false); v != kept {
			p.Value = out
		}
		w.place.exempt = false
		w.pop()
	}
	w.pop()
}

func foldEqual(s, want string) bool { return hasPrefixFold(s, want) && len(s) == len(want) }

// retag brings the automatic tags in line with the fields they were made from.
func (w *walker) retag() {
	after := w.ev.AutoTags()
	kept := w.ev.Tags[:0]
	for _, t := range w.ev.Tags {
		if old, auto := lookup(w.before, t.Key); auto && old == t.Value {
			value, still := lookup(after, t.Key)
			if !still {
				continue
			}
			t.Value = value
		}
		kept = append(kept, t)
	}
	clear(w.ev.Tags[len(kept):])
	w.ev.Tags = kept
}

func lookup(list []event.Pair, key string) (string, bool) {
	for i := range list {
		if list[i].Key == key {
			return list[i].Value, true
		}
	}
	return "", false
}
