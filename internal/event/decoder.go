package event

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Decoder reads one event after another into the same memory, for a worker that is done with each
// before it reads the next. The zero value is ready for use, by one goroutine at a time.
type Decoder struct {
	event Event
	kept  memory
}

// Decode is the function of this name, except for how long the event lasts: it and its lists are
// overwritten by the next Decode and by Reset, so that whoever needs a list for longer copies it.
// Texts and values last as long as the payload does not change.
func (d *Decoder) Decode(payload []byte) (*Event, error) {
	wiped := 0
	if !utf8.Valid(payload) {
		payload = bytes.ToValidUTF8(payload, []byte("\uFFFD"))
		wiped++
	}
	doc, nuls, err := validate(payload)
	if err != nil {
		return nil, err
	}
	d.Reset()
	r := newReader(doc)
	r.wiped, r.kept = wiped+nuls, d.kept
	r.event(&d.event)
	d.kept = r.kept
	r.release()
	return &d.event, nil
}

// Reset forgets the last event and keeps the memory for the next one.
func (d *Decoder) Reset() {
	d.event = Event{}
	d.kept.reset()
}

// memory is what the lists and texts of an event lie in. The zero value gives each its own.
type memory struct {
	frames  shelf[Frame]
	crumbs  shelf[Breadcrumb]
	members shelf[Member]
	pairs   shelf[Pair]
	lines   []string         // arena behind source lines
	texts   *strings.Builder // arena behind texts that were written with escapes; never overwritten
}

// What a decoder keeps for the next event at most; larger ones get memory of their own.
const (
	keptFrames = 2 * maxFrames
	keptCrumbs = maxCrumbs
	keptPairs  = 512 // and members
)

func (m *memory) reset() {
	m.frames.reset(keptFrames)
	m.crumbs.reset(keptCrumbs)
	m.members.reset(keptPairs)
	m.pairs.reset(keptPairs)
	clear(m.lines)
	m.lines = m.lines[:0]
	if m.texts == nil {
		m.texts = new(strings.Builder)
	}
}

// Sizes of the arena of texts, in bytes. Long texts lie elsewhere, so that little room is lost.
const (
	textArena = 1 << 10
	longText  = textArena / 4
)

// text is b as a text that stays. A piece of the arena keeps all of it in memory.
func (m *memory) text(b []byte) string {
	if m.texts == nil || len(b) > longText {
		return string(b)
	}
	if m.texts.Cap()-m.texts.Len() < len(b) {
		m.texts = new(strings.Builder)
		m.texts.Grow(textArena)
	}
	start := m.texts.Len()
	m.texts.Write(b)
	return m.texts.String()[start:]
}

// shelf is memory for lists that last as long as one event. There is room when an event before
// wanted as much; without room each list gets its own.
type shelf[T any] struct {
	taken  []T
	wanted int // entries of all lists of this event
}

// keep returns a copy of list, nil when it is empty.
func (s *shelf[T]) keep(list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return append(s.room(len(list)), list...)
}

// room returns an empty list that can grow to n entries where it is.
func (s *shelf[T]) room(n int) []T {
	s.wanted += n
	start, end := len(s.taken), len(s.taken)+n
	if end > cap(s.taken) {
		return make([]T, 0, n)
	}
	s.taken = s.taken[:end]
	return s.taken[start:start:end]
}

// reset takes all lists back, and makes room for what was wanted unless it is more than most.
func (s *shelf[T]) reset(most int) {
	clear(s.taken)
	s.taken = s.taken[:0]
	if s.wanted > cap(s.taken) && s.wanted <= most {
		s.taken = make([]T, 0, s.wanted)
	}
	s.wanted = 0
}
