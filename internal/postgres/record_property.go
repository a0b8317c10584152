package postgres

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// What is kept of properties, and remembered of what is kept.
const (
	maxPropertyValues = 200     // of one key of an issue, about: each process counts for itself
	knownProperties   = 1 << 19 // properties remembered as stored, 8 bytes each
	countedKeys       = 1 << 17 // keys of issues whose values are counted, 8 bytes each
)

// propertyMemory knows properties that are stored, since events of an issue repeat each other: in
// the long run a batch brings no new ones, and costs no statement. What it forgets is stored once
// more, which changes nothing. The zero value is ready; it is safe for concurrent use.
type propertyMemory struct {
	mu     sync.Mutex
	seed   maphash.Seed
	known  hashSet
	values hashCounts // by issue and key
}

// property is one value of a key that events of an issue had.
type property struct {
	issueRef
	event.Pair
	hash    uint64 // of all of it
	keyHash uint64 // of all but the value
}

// fresh returns the properties of the issues' records that are not known to be stored, once each
// and in order, leaving out values of keys that have enough.
func (m *propertyMemory) fresh(issues map[issueRef]*sighted) []property {
	var list []property
	m.mu.Lock()
	if m.known.slots == nil {
		m.seed, m.known, m.values = maphash.MakeSeed(), newHashSet(knownProperties), newHashCounts(countedKeys)
	}
	queued := make(map[uint64]struct{})
	for ref, s := range issues {
		ofIssue := mixHashes(uint64(ref.project), uint64(ref.id))
		for _, rec := range s.records {
			for _, pair := range rec.Properties {
				ofKey := mixHashes(ofIssue, maphash.String(m.seed, pair.Key))
				hash := mixHashes(ofKey, maphash.String(m.seed, pair.Value))
				if m.known.has(hash) || m.values.of(ofKey) >= maxPropertyValues {
					continue
				}
				if _, have := queued[hash]; !have {
					queued[hash] = struct{}{}
					list = append(list, property{ref, pair, hash, ofKey})
				}
			}
		}
	}
	m.mu.Unlock()
	slices.SortFunc(list, compareProperties)
	return list
}

// stored remembers what was committed.
func (m *propertyMemory) stored(list []property) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range list {
		if m.known.add(list[i].hash) {
			m.values.add(list[i].keyHash)
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
	r.properties = r.memory.fresh(r.issues)
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
