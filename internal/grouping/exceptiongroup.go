package grouping

import (
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// groupTree is the tree of exceptions that their mechanisms describe.
type groupTree struct {
	byID     map[int]*event.Exception
	children map[int][]*event.Exception // in the order of a walk from the last to the first
	seen     map[int]bool
	cyclic   bool // an exception was reached twice
}

// countingExceptions chooses the exceptions that an event is grouped by. An exception group is
// replaced by what it holds, and what it holds several times counts once.
func (r *run) countingExceptions() []*event.Exception {
	all := make([]*event.Exception, len(r.ev.Exceptions))
	for i := range all {
		all[i] = &r.ev.Exceptions[i]
	}
	if len(all) < 2 || r.ev.Platform == "python" && r.ev.SDK != nil && strings.HasPrefix(r.ev.SDK.Version, "3") {
		return all
	}
	tree, ok := newGroupTree(all)
	if !ok {
		return all
	}
	root := tree.byID[0]
	if root == nil {
		return all
	}
	top := tree.topLevel(root, nil)
	if len(top) == 0 || tree.cyclic {
		return all
	}
	slices.SortStableFunc(top, func(a, b *event.Exception) int {
		return strings.Compare(either(b.Type, missingPart), either(a.Type, missingPart))
	})
	r.complete = true
	r.built = map[*event.Exception]views{}
	distinct := top[:1]
	for _, e := range top[1:] {
		a, b := r.exception(distinct[len(distinct)-1]), r.exception(e)
		if !sameTree(a[viewApp], b[viewApp]) || !sameTree(a[viewSystem], b[viewSystem]) {
			distinct = append(distinct, e)
		}
	}
	if len(distinct) > 1 {
		return append(slices.Clip(distinct), root)
	}
	r.ev.MainExceptionID = distinct[0].Mechanism.ExceptionID
	if path := tree.firstPath(distinct[0]); !tree.cyclic {
		return path
	}
	return all
}

// newGroupTree reads the tree. It reports false when ids are missing or contradict each other.
func newGroupTree(all []*event.Exception) (*groupTree, bool) {
	t := &groupTree{
		byID: map[int]*event.Exception{}, children: map[int][]*event.Exception{}, seen: map[int]bool{},
	}
	for _, e := range slices.Backward(all) {
		if e.Mechanism == nil || e.Mechanism.ExceptionID == nil {
			return nil, false
		}
		id := *e.Mechanism.ExceptionID
		if t.byID[id] != nil {
			return nil, false
		}
		t.byID[id] = e
		if parent := e.Mechanism.ParentID; parent != nil {
			if *parent == id {
				return nil, false
			}
			t.children[*parent] = append(t.children[*parent], e)
		}
	}
	return t, true
}

// brokenChain reports whether exceptions of an event say of each other what cannot be: two have one
// id, one is its own parent, or parents form a circle. Such a chain is grouped as it was sent.
func brokenChain(ev *event.Event) bool {
	if len(ev.Exceptions) < 2 {
		return false
	}
	parents := make(map[int]int, len(ev.Exceptions))
	for i := range ev.Exceptions {
		m := ev.Exceptions[i].Mechanism
		if m == nil || m.ExceptionID == nil {
			continue
		}
		id, parent := *m.ExceptionID, -1
		if _, twice := parents[id]; twice {
			return true
		}
		if m.ParentID != nil {
			parent = *m.ParentID
		}
		parents[id] = parent
	}
	for id := range parents {
		steps := 0
		for at, known := id, true; known; _, known = parents[at] {
			at = parents[at]
			if steps++; steps > len(parents) {
				return true
			}
		}
	}
	return false
}

// topLevel appends the exceptions that are no groups, each reached through groups only. It ends at
// an exception that it has visited before.
func (t *groupTree) topLevel(e *event.Exception, list []*event.Exception) []*event.Exception {
	id := *e.Mechanism.ExceptionID
	if t.seen[id] {
		t.cyclic = true
		return list
	}
	t.seen[id] = true
	if group := e.Mechanism.IsExceptionGroup; group == nil || !*group {
		return append(list, e)
	}
	for _, child := range t.children[id] {
		list = t.topLevel(child, list)
	}
	return list
}

// firstPath follows the first child of each exception, and ends where it began or at one without.
func (t *groupTree) firstPath(e *event.Exception) []*event.Exception {
	path := []*event.Exception{e}
	for {
		children := t.children[*e.Mechanism.ExceptionID]
		if len(children) == 0 {
			return path
		}
		if e = children[0]; slices.Contains(path, e) {
			t.cyclic = true
			return path
		}
		path = append(path, e)
	}
}
