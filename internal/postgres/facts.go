package postgres

import (
	"encoding/binary"
	"errors"
	"time"
)

// facts is what a batch adds to the tables that count: kept per batch, folded many at a time.
// Times are Unix microseconds, so that keys stay small and comparable.
type facts struct {
	hours        map[issueHour]int64
	environments map[issueText]span // by environment; an event without one counts under ""
	releases     map[issueText]span
	tags         map[issueTag]span
	hashes       map[[16]byte]*hashFacts
	versions     map[string]versionFacts // releases of the project
	names        map[string]span         // environments of the project
}

type issueHour struct{ issue, hour int64 }

type issueText struct {
	issue int64
	text  string
}

type issueTag struct {
	issue      int64
	key, value string
}

// hashFacts is what a batch counts under one hash.
type hashFacts struct {
	span
	thinned int64              // events that were not kept
	users   map[int64]struct{} // userHash of each
}

// merge adds what another batch counted.
func (h *hashFacts) merge(o *hashFacts) {
	h.span, h.thinned = h.add(o.span), h.thinned+o.thinned
	for u := range o.users {
		h.users[u] = struct{}{}
	}
}

// span is how often and between when something was seen.
type span struct{ n, first, last int64 }

func (s span) add(o span) span {
	if s.n == 0 {
		return o
	}
	return span{s.n + o.n, min(s.first, o.first), max(s.last, o.last)}
}

type versionFacts struct {
	span
	newIssues int64
}

func newFacts() *facts {
	return &facts{
		hours: map[issueHour]int64{}, environments: map[issueText]span{}, releases: map[issueText]span{},
		tags: map[issueTag]span{}, hashes: map[[16]byte]*hashFacts{}, versions: map[string]versionFacts{}, names: map[string]span{},
	}
}

// add counts one event of an issue; isNew tells that it made the issue, thinned that it is not kept.
func (f *facts) add(issue int64, r *Record, isNew, thinned bool) {
	at := r.OccurredAt.UnixMicro()
	one := span{1, at, at}
	f.hours[issueHour{issue, r.OccurredAt.UTC().Truncate(time.Hour).UnixMicro()}]++
	env := issueText{issue, r.Environment}
	f.environments[env] = f.environments[env].add(one)
	if r.Environment != "" {
		f.names[r.Environment] = f.names[r.Environment].add(one)
	}
	if r.Release != "" {
		key := issueText{issue, r.Release}
		f.releases[key] = f.releases[key].add(one)
		v := f.versions[r.Release]
		v.span = v.add(one)
		if isNew {
			v.newIssues++
		}
		f.versions[r.Release] = v
	}
	for i := range r.Tags {
		key := issueTag{issue, r.Tags[i].Key, r.Tags[i].Value}
		f.tags[key] = f.tags[key].add(one)
	}
	h := f.hash(r.Hashes[0])
	h.span = h.add(one)
	if thinned {
		h.thinned++
	}
	if r.UserKey != "" {
		h.users[userHash(r.UserKey)] = struct{}{}
	}
}

// hash is what is counted under a hash.
func (f *facts) hash(hash [16]byte) *hashFacts {
	h := f.hashes[hash]
	if h == nil {
		h = &hashFacts{users: map[int64]struct{}{}}
		f.hashes[hash] = h
	}
	return h
}

// merge adds what another batch added.
func (f *facts) merge(o *facts) {
	for k, n := range o.hours {
		f.hours[k] += n
	}
	mergeSpans(f.environments, o.environments)
	mergeSpans(f.releases, o.releases)
	mergeSpans(f.tags, o.tags)
	mergeSpans(f.names, o.names)
	for k, h := range o.hashes {
		f.hash(k).merge(h)
	}
	for k, v := range o.versions {
		have := f.versions[k]
		have.span, have.newIssues = have.add(v.span), have.newIssues+v.newIssues
		f.versions[k] = have
	}
}

func mergeSpans[K comparable](into, from map[K]span) {
	for k, s := range from {
		into[k] = into[k].add(s)
	}
}

// The stored form: version, then a zstd frame of the texts (count, then length and bytes of each)
// and of the seven maps in the order of the fields (count, then entries). Texts are written once
// and named by their position; numbers are varints.
const (
	factsVersion  = 2
	factsMaxBytes = 64 << 20
)

// append appends the stored form to dst.
func (f *facts) append(dst []byte) []byte {
	w := factsWriter{texts: make(map[string]uint64)}
	w.count(len(f.hours))
	for k, n := range f.hours {
		w.ints(k.issue, k.hour, n)
	}
	for _, m := range [...]map[issueText]span{f.environments, f.releases} {
		w.count(len(m))
		for k, s := range m {
			w.ints(k.issue)
			w.text(k.text)
			w.ints(s.n, s.first, s.last-s.first)
		}
	}
	w.count(len(f.tags))
	for k, s := range f.tags {
		w.ints(k.issue)
		w.text(k.key)
		w.text(k.value)
		w.ints(s.n, s.first, s.last-s.first)
	}
	w.count(len(f.hashes))
	for k, h := range f.hashes {
		w.body = append(w.body, k[:]...)
		w.ints(h.n, h.first, h.last-h.first, h.thinned)
		w.count(len(h.users))
		for u := range h.users {
			w.ints(u)
		}
	}
	w.count(len(f.versions))
	for k, v := range f.versions {
		w.text(k)
		w.ints(v.n, v.first, v.last-v.first, v.newIssues)
	}
	w.count(len(f.names))
	for k, s := range f.names {
		w.text(k)
		w.ints(s.n, s.first, s.last-s.first)
	}
	return w.frame(dst)
}

type factsWriter struct {
	texts       map[string]uint64
	table, body []byte
}

// frame appends the stored form of what was written.
func (w *factsWriter) frame(dst []byte) []byte {
	head := binary.AppendUvarint(nil, uint64(len(w.texts)))
	return codec().enc.EncodeAll(append(append(head, w.table...), w.body...), append(dst, factsVersion))
}

func (w *factsWriter) count(n int) { w.body = binary.AppendUvarint(w.body, uint64(n)) }

func (w *factsWriter) ints(values ...int64) {
	for _, v := range values {
		w.body = binary.AppendVarint(w.body, v)
	}
}

func (w *factsWriter) text(s string) {
	i, known := w.texts[s]
	if !known {
		i = uint64(len(w.texts))
		w.texts[s] = i
		w.table = append(binary.AppendUvarint(w.table, uint64(len(s))), s...)
	}
	w.body = binary.AppendUvarint(w.body, i)
}

var errFacts = errors.New("pending facts are damaged")

// readFacts reads the stored form.
func readFacts(b []byte) (*facts, error) {
	r, err := newFactsReader(b)
	if err != nil {
		return nil, err
	}
	f := newFacts()
	for range r.count() {
		f.hours[issueHour{r.int(), r.int()}] += r.int()
	}
	for _, m := range [...]map[issueText]span{f.environments, f.releases} {
		for range r.count() {
			k := issueText{r.int(), r.text()}
			m[k] = m[k].add(r.span())
		}
	}
	for range r.count() {
		k := issueTag{r.int(), r.text(), r.text()}
		f.tags[k] = f.tags[k].add(r.span())
	}
	for range r.count() {
		var k [16]byte
		copy(k[:], r.take(len(k)))
		h := &hashFacts{span: r.span(), thinned: r.int(), users: map[int64]struct{}{}}
		for range r.count() {
			h.users[r.int()] = struct{}{}
		}
		f.hash(k).merge(h)
	}
	for range r.count() {
		k := r.text()
		v := versionFacts{span: r.span(), newIssues: r.int()}
		f.versions[k] = v
	}
	for range r.count() {
		k := r.text()
		f.names[k] = f.names[k].add(r.span())
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return f, nil
}

// factsReader reads fields off the front of b; after the first defect every read gives zero.
type factsReader struct {
	b     []byte
	texts []string
	bad   bool
}

// newFactsReader opens the frame and reads its texts.
func newFactsReader(b []byte) (*factsReader, error) {
	if len(b) < 2 || b[0] != factsVersion {
		return nil, errFacts
	}
	raw, err := codec().dec.DecodeAll(b[1:], nil)
	if err != nil || len(raw) > factsMaxBytes {
		return nil, errFacts
	}
	r := &factsReader{b: raw}
	for range r.count() {
		r.texts = append(r.texts, r.bytes())
	}
	return r, nil
}

// end is an error when something could not be read, or is left.
func (r *factsReader) end() error {
	if r.bad || len(r.b) > 0 {
		return errFacts
	}
	return nil
}

func (r *factsReader) fail() { r.b, r.bad = nil, true }

func (r *factsReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *factsReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of entries, each of which takes a byte at least.
func (r *factsReader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *factsReader) bytes() string { return string(r.take(int(min(r.uint(), factsMaxBytes+1)))) }

// take reads n bytes.
func (r *factsReader) take(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *factsReader) text() string {
	i := r.uint()
	if i >= uint64(len(r.texts)) {
		r.fail()
		return ""
	}
	return r.texts[i]
}

func (r *factsReader) span() span {
	s := span{n: r.int(), first: r.int()}
	s.last = s.first + r.int()
	return s
}
