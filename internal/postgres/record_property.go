package postgres

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// What is kept of properties, and remembered of what is kept.
const (
	maxPropertyValues = 200     // of one key of an issue, about: each process counts for itself
	maxKnown          = 200_000 // properties remembered as stored
)

// propertyMemory knows properties that are stored, since events of an issue repeat each other: in
// the long run a batch brings no new ones, and costs no statement. The zero value is ready; it is
// safe for concurrent use.
type propertyMemory struct {
	mu     sync.Mutex
	seed   maphash.Seed
	known  map[uint64]struct{}
	values map[uint64]int // by issue and key
}

// property is one value of a key that events of an issue had.
type property struct {
	issueRef
	event.Pair
}

// fresh returns those that are not known to be stored, leaving out values of keys that have
// enough.
func (m *propertyMemory) fresh(all []property) []property {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) > maxKnown {
		m.seed, m.known, m.values = maphash.MakeSeed(), make(map[uint64]struct{}), make(map[uint64]int)
	}
	kept := all[:0]
	for _, p := range all {
		if _, known := m.known[maphash.Comparable(m.seed, p)]; !known && m.values[m.ofKey(p)] < maxPropertyValues {
			kept = append(kept, p)
		}
	}
	return kept
}

func (m *propertyMemory) ofKey(p property) uint64 {
	p.Value = ""
	return maphash.Comparable(m.seed, p)
}

// stored remembers what was committed.
func (m *propertyMemory) stored(list []property) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range list {
		if m.known == nil {
			return
		}
		h := maphash.Comparable(m.seed, p)
		if _, known := m.known[h]; !known {
			m.known[h] = struct{}{}
			m.values[m.ofKey(p)]++
		}
	}
}

const sqlInsertProperties = `
	insert into issue_properties (project_id, issue_id, key, value)
	select * from unnest(@projects::bigint[], @issues::bigint[], @keys::text[], @values::text[])
	on conflict do nothing`

// queueProperties stores what searches can name of the new events, each value once, in order of
// their keys.
func (r *recording) queueProperties(b *pgx.Batch) {
	seen := make(map[property]struct{})
	for ref, s := range r.issues {
		for _, rec := range s.records {
			for _, pair := range rec.Properties {
				seen[property{ref, pair}] = struct{}{}
			}
		}
	}
	r.properties = r.memory.fresh(slices.SortedFunc(maps.Keys(seen), compareProperties))
	n := len(r.properties)
	if n == 0 {
		return
	}
	projects, issues, keys, values := make([]int64, n), make([]int64, n), make([]string, n), make([]string, n)
	for i, p := range r.properties {
		projects[i], issues[i], keys[i], values[i] = p.project, p.id, p.Key, p.Value
	}
	b.Queue(sqlInsertProperties, pgx.StrictNamedArgs{"projects": projects, "issues": issues, "keys": keys, "values": values})
}

func compareProperties(a, b property) int {
	return cmp.Or(compareRefs(a.issueRef, b.issueRef), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
}
