package event

import (
	"slices"
	"strings"
)

// append writes the remarks as the tree of _meta: one object per part of the paths, the remarks of
// a node under the empty name.
func (m Meta) append(dst []byte) []byte {
	if len(m) == 0 {
		return dst
	}
	paths := make([]string, 0, len(m))
	for path := range m {
		if writable(path) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return dst
	}
	slices.SortFunc(paths, comparePaths)
	return m.appendNode(appendName(dst, "_meta"), paths, 0)
}

// comparePaths orders paths so that a node comes first and those below it follow together.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '.':
			return -1
		case b[i] == '.':
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}

// appendNode writes the node that all paths lead to with their first at bytes.
func (m Meta) appendNode(dst []byte, paths []string, at int) []byte {
	dst = append(dst, '{')
	if len(paths[0]) < max(at, 1) {
		dst = appendRemarks(append(dst, `"":`...), m[paths[0]])
		paths = paths[1:]
	}
	for len(paths) > 0 {
		part, _, _ := strings.Cut(paths[0][at:], ".")
		n := 1
		for n < len(paths) {
			if next, _, _ := strings.Cut(paths[n][at:], "."); next != part {
				break
			}
			n++
		}
		dst = m.appendNode(appendKey(dst, part), paths[:n], at+len(part)+1)
		paths = paths[n:]
	}
	return append(dst, '}')
}
