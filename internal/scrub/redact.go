package scrub

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// piece is a stretch of a text. One with a kind stands where something was replaced, and is not
// looked at again.
type piece struct {
	text string
	rule string // name in the remark; empty when there is none
	kind string // of the remark; empty for what is still as it was sent
}

// kindUnknown is the kind of a replacement that was there before without a remark.
const kindUnknown = "?"

// maxStepsPerEvent bounds the work that the patterns of advanced rules may do for one event, in
// bytes times instructions. Texts that they can no longer look at are replaced as a whole, because
// what cannot be checked must not be kept.
const maxStepsPerEvent = 32 << 20

// verdict is what became of a value.
type verdict uint8

const (
	kept verdict = iota
	changed
	removed
)

// choose collects the rules that may have something to do with a text: those of the applications
// whose selectors match. name is the name of the value.
func (w *walker) choose(s, name string, numeric bool) []*rule {
	l, key := w.s.words.scan(s), w.nameLook(name)
	calm := key.hits == 0 && !alone(name) && l.calm(s)
	w.rules = w.rules[:0]
	for i := range w.s.apps {
		app := &w.s.apps[i]
		if calm && app.calm {
			continue
		}
		mark, asked := len(w.rules), false
		for _, r := range app.rules {
			if !r.may(l, key, s, name) || numeric && !r.keyed && r.find != findCard {
				continue
			}
			if !asked && !app.where.match(&w.place) {
				break
			}
			asked = true
			w.rules = append(w.rules, r)
		}
		if !asked {
			w.rules = w.rules[:mark]
		}
	}
	return w.rules
}

// nameLook scans a name. Lists have the same names one after another.
func (w *walker) nameLook(name string) look {
	if name != w.named {
		w.named, w.nameHas = name, w.s.words.scan(name)
	}
	return w.nameHas
}

// text applies the rules to the text at the current place.
func (w *walker) text(s, name string, numeric bool) (string, verdict) {
	if s == "" {
		return s, kept
	}
	rules := w.choose(s, name, numeric)
	if len(rules) == 0 {
		return s, kept
	}
	w.pieces = w.split(w.pieces[:0], s)
	before := len(w.pieces)
	touched := false
	for again := true; again; { // what one rule leaves may be what another looks for
		again = false
		for _, r := range rules {
			if w.whole(r, name) {
				return w.replaceAll(r, s)
			}
			if w.each(r) {
				touched, again = true, true
			}
			if len(w.pieces) > before+2*maxSpans {
				return w.replaceAll(r, s)
			}
		}
	}
	if !touched {
		return s, kept
	}
	return w.join(s), changed
}

// whole reports whether a rule replaces all of the text.
func (w *walker) whole(r *rule, name string) bool {
	if r.keyed && r.named(w.nameLook(name), name) {
		return true
	}
	for _, p := range w.pieces {
		if p.kind != "" || p.text == "" {
			continue
		}
		if !w.spend(r, len(p.text)) {
			return true
		}
		if r.keyed && r.wholly(w.s.words.scan(p.text), p.text) {
			return true
		}
	}
	return false
}

// spend counts the work of a pattern; false when there is none left.
func (w *walker) spend(r *rule, size int) bool {
	if r.find != findPattern && r.find != findPair {
		return true
	}
	w.steps -= size * r.cost
	return w.steps >= 0
}

// each replaces the matches of a rule in the pieces that are still as they were sent.
func (w *walker) each(r *rule) bool {
	found := false
	for i := 0; i < len(w.pieces); i++ {
		p := w.pieces[i]
		if p.kind != "" || p.text == "" {
			continue
		}
		w.spans = r.spans(w.spans[:0], p.text)
		if len(w.spans) == 0 {
			continue
		}
		found = true
		parts := make([]piece, 0, 2*len(w.spans)+1)
		at := 0
		for _, m := range w.spans {
			if m.start > at {
				parts = append(parts, piece{text: p.text[at:m.start]})
			}
			parts = append(parts, piece{r.substitute(p.text[m.start:m.end], w.s.hashKey), r.shown, r.method.kind()})
			at = m.end
		}
		if at < len(p.text) {
			parts = append(parts, piece{text: p.text[at:]})
		}
		w.pieces = slices.Replace(w.pieces, i, i+1, parts...)
		i += len(parts) - 1
	}
	return found
}

// split cuts a text at the remarks that earlier processing left, as far as they are true.
func (w *walker) split(dst []piece, s string) []piece {
	if len(w.ev.Meta) == 0 {
		return w.splitText(dst, s)
	}
	remarks := w.ev.Meta[w.path()].Remarks
	at, chars := 0, 0
	for _, r := range remarks {
		if r.Start < chars || r.End < r.Start || r.Start == 0 && r.End == 0 {
			continue
		}
		start, ok := advance(s, at, r.Start-chars)
		if !ok {
			break
		}
		end, ok := advance(s, start, r.End-r.Start)
		if !ok || !w.placeholder(r, s[start:end]) {
			continue
		}
		if start > at {
			dst = w.splitText(dst, s[at:start])
		}
		dst = append(dst, piece{s[start:end], r.Rule, cmp.Or(r.Kind, kindUnknown)})
		at, chars = end, r.End
	}
	if at < len(s) {
		dst = w.splitText(dst, s[at:])
	}
	return dst
}

// splitText cuts a text at what our rules write in brackets. Where no remark could be kept, that
// alone tells that something was replaced.
func (w *walker) splitText(dst []piece, s string) []piece {
	at := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '[' {
			continue
		}
		for _, text := range w.s.brackets {
			if strings.HasPrefix(s[i:], text) {
				if i > at {
					dst = append(dst, piece{text: s[at:i]})
				}
				dst = append(dst, piece{text: text, kind: kindUnknown})
				at = i + len(text)
				i = at - 1
				break
			}
		}
	}
	if at < len(s) {
		dst = append(dst, piece{text: s[at:]})
	}
	return dst
}

// advance is the index n characters behind at; false past the end.
func advance(s string, at, n int) (int, bool) {
	for ; n > 0; n-- {
		if at >= len(s) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at, true
}

// placeholder reports whether a text is what the rule of a remark leaves. A client may send
// remarks, so that they alone prove nothing.
func (w *walker) placeholder(r event.Remark, s string) bool {
	if known := w.s.texts[r.Rule]; known != nil && known.done(s) {
		return true
	}
	if s == "" || s == "..." || hashed(s) && r.Kind == "p" {
		return true
	}
	for i := range len(s) {
		if s[i] != '*' {
			return bracketed(s)
		}
	}
	return true
}

// bracketed reports whether s is a word in brackets, such as [email].
func bracketed(s string) bool {
	if len(s) < 3 || len(s) > 16 || s[0] != '[' || s[len(s)-1] != ']' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if !letter(c) && c != '-' {
			return false
		}
	}
	return true
}

// replaceAll replaces the whole text, unless that was done before.
func (w *walker) replaceAll(r *rule, s string) (string, verdict) {
	path := w.path()
	old := w.ev.Meta[path]
	if r.method != methodHash && r.done(s) || r.method == methodHash && hashed(s) && remarked(old.Remarks, r.shown) {
		return s, kept
	}
	out := r.substitute(s, w.s.hashKey)
	remark := event.Remark{Rule: r.shown, Kind: r.method.kind(), End: utf8.RuneCountInString(out)}
	w.remark(path, []event.Remark{remark}, utf8.RuneCountInString(s))
	if r.method == methodRemove {
		return "", removed
	}
	return out, changed
}

func remarked(list []event.Remark, name string) bool {
	return slices.ContainsFunc(list, func(r event.Remark) bool { return r.Rule == name })
}

// join puts the pieces together again and writes their remarks.
func (w *walker) join(s string) string {
	path := w.path()
	var remarks []event.Remark
	for _, r := range w.ev.Meta[path].Remarks {
		if r.Start == 0 && r.End == 0 {
			remarks = append(remarks, r)
		}
	}
	w.out = w.out[:0]
	chars := 0
	for _, p := range w.pieces {
		w.out = append(w.out, p.text...)
		n := utf8.RuneCountInString(p.text)
		if p.rule != "" {
			remarks = append(remarks, event.Remark{Rule: p.rule, Kind: p.kind, Start: chars, End: chars + n})
		}
		chars += n
	}
	w.remark(path, remarks, utf8.RuneCountInString(s))
	return string(w.out)
}

// remark sets the remarks of a field. length is what it measured before.
func (w *walker) remark(path string, list []event.Remark, length int) {
	w.change()
	if old, known := w.ev.Meta[path]; known {
		old.Remarks = list
		old.Value = nil
		if old.Length == 0 {
			old.Length = length
		}
		w.ev.Meta[path] = old
		return
	}
	w.ev.Meta = w.ev.Meta.Add(path, event.Remarks{Remarks: list, Length: length})
}

// solid applies the rules to a value that is no text: an object, a list, a number, a truth value.
// Only its name, or a rule for anything, can make it go.
func (w *walker) solid(name string) *rule {
	key := w.nameLook(name)
	calm := key.hits == 0 && !alone(name)
	for i := range w.s.apps {
		app := &w.s.apps[i]
		if calm && app.calm {
			continue
		}
		for _, r := range app.rules {
			if r.keyed && r.named(key, name) {
				if app.where.match(&w.place) {
					return r
				}
				break
			}
		}
	}
	return nil
}
