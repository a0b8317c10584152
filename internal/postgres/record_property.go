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

// stored remembers what was committed, be it folded or not.
func (m *propertyMemory) stored(list []property) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range list {
		if m.known.add(list[i].hash) {
			m.values.add(list[i].keyHash)
		}
	}
}

// propertiesOf is the stored form of a project's share of an ordered list; nil when it has none.
func propertiesOf(project int64, list []property) []byte {
	from, _ := slices.BinarySearchFunc(list, project, func(p property, project int64) int { return cmp.Compare(p.project, project) })
	until, _ := slices.BinarySearchFunc(list, project+1, func(p property, project int64) int { return cmp.Compare(p.project, project) })
	if from == until {
		return nil
	}
	return appendProperties(nil, list[from:until])
}

// appendProperties appends the stored form of properties of one project: a zstd frame like that of
// facts, of the texts and of the number and entries of issue, key and value.
func appendProperties(dst []byte, list []property) []byte {
	w := factsWriter{texts: make(map[string]uint64)}
	w.count(len(list))
	for i := range list {
		w.ints(list[i].id)
		w.text(list[i].Key)
		w.text(list[i].Value)
	}
	return w.frame(dst)
}

// readProperties reads the stored form: all of it or nothing.
func readProperties(b []byte) ([]issueTag, error) {
	r, err := newFactsReader(b)
	if err != nil {
		return nil, err
	}
	list := make([]issueTag, r.count())
	for i := range list {
		list[i] = issueTag{r.int(), r.text(), r.text()}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return list, nil
}

const sqlFoldProperties = `
	insert into issue_properties (project_id, issue_id, key, value)
	select @project::bigint, d.* from unnest(@issues::bigint[], @keys::text[], @values::text[]) as d
	on conflict do nothing`

// queueProperties stores what searches can name of the events of a project's issues, each value
// once, in the order of the index that holds them.
func queueProperties(b *pgx.Batch, project int64, list []issueTag) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b issueTag) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value), cmp.Compare(a.issue, b.issue))
	})
	list = slices.Compact(list)
	n := len(list)
	issues, keys, values := make([]int64, n), make([]string, n), make([]string, n)
	for i, p := range list {
		issues[i], keys[i], values[i] = p.issue, p.key, p.value
	}
	b.Queue(sqlFoldProperties, pgx.StrictNamedArgs{"project": project, "issues": issues, "keys": keys, "values": values})
}

func compareProperties(a, b property) int {
	return cmp.Or(compareRefs(a.issueRef, b.issueRef), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
}
