package regroup

import (
	"cmp"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/grouping"
)

// target is where events would be: an issue, or a new one under the first hash that made it.
type target struct {
	issue int64
	hash  grouping.Hash
}

// forecast assigns events, newest first, the way recording does: the first known hash decides,
// and what is unknown is claimed.
func forecast(events []sighting, known map[grouping.Hash]int64) Forecast {
	targets := make(map[grouping.Hash]target, len(known))
	for h, issue := range known {
		targets[h] = target{issue: issue}
	}
	f := Forecast{Events: len(events)}
	parts := make(map[int64]map[target]*Part) // by the issue they are in
	for i := range slices.Backward(events) {
		e := &events[i]
		to := target{issue: e.issue}
		if e.changed {
			to = choose(targets, e.hashes)
		}
		if to.issue != e.issue {
			f.Moved++
		}
		if parts[e.issue] == nil {
			parts[e.issue] = make(map[target]*Part)
		}
		p := parts[e.issue][to]
		if p == nil {
			if p = (&Part{Issue: to.issue, Hash: to.hash}); to.issue != 0 {
				p.Hash = e.hashes[0]
			}
			parts[e.issue][to] = p
		}
		p.Events, p.Title, p.Sample = p.Events+1, e.title, e.id
	}
	f.Splits, f.Joins = splits(parts), joins(parts)
	return f
}

func choose(targets map[grouping.Hash]target, hashes []grouping.Hash) target {
	to := target{hash: hashes[0]}
	for _, h := range hashes {
		if t, known := targets[h]; known {
			to = t
			break
		}
	}
	for _, h := range hashes {
		if _, known := targets[h]; !known {
			targets[h] = to
		}
	}
	return to
}

func splits(parts map[int64]map[target]*Part) (list []Split) {
	for issue, to := range parts {
		if len(to) < 2 {
			continue
		}
		s := Split{Issue: issue}
		for _, p := range to {
			s.Parts = append(s.Parts, *p)
		}
		slices.SortFunc(s.Parts, func(a, b Part) int {
			return cmp.Or(cmp.Compare(b.Events, a.Events), slices.Compare(a.Hash[:], b.Hash[:]))
		})
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Split) int { return cmp.Compare(a.Issue, b.Issue) })
	return list
}

func joins(parts map[int64]map[target]*Part) (list []Join) {
	byTarget := make(map[target]*Join)
	for issue, to := range parts {
		for t, p := range to {
			j := byTarget[t]
			if j == nil {
				j = &Join{Part: *p}
				byTarget[t] = j
			} else {
				j.Events += p.Events
				if slices.Compare(p.Sample[:], j.Sample[:]) < 0 { // any of them, the same each time
					j.Title, j.Sample = p.Title, p.Sample
				}
			}
			j.Issues = append(j.Issues, issue)
		}
	}
	for t, j := range byTarget {
		if t.issue != 0 && !slices.Contains(j.Issues, t.issue) { // it has older events
			j.Issues = append(j.Issues, t.issue)
		}
		if len(j.Issues) < 2 {
			continue
		}
		slices.Sort(j.Issues)
		list = append(list, *j)
	}
	slices.SortFunc(list, func(a, b Join) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), slices.Compare(a.Hash[:], b.Hash[:]))
	})
	return list
}
