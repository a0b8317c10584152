package event

import (
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Add joins remarks to those of a field and returns the map, which is made when nil. Past the
// limits on fields and paths nothing is added.
func (m Meta) Add(path string, r Remarks) Meta { return m.add(path, r) }

func (m Meta) add(path string, r Remarks) Meta {
	old, known := m[path]
	if !known && len(m) >= maxMeta || !writable(path) {
		return m
	}
	if m == nil {
		m = make(Meta)
	}
	m[path] = old.join(r)
	return m
}

// writable reports whether a path names a node of the tree: an empty part would name the remarks
// of the node above.
func writable(path string) bool {
	if len(path) > maxPath || strings.Count(path, ".") > maxDepth/2 {
		return false
	}
	return path == "" || path[0] != '.' && path[len(path)-1] != '.' && !strings.Contains(path, "..")
}

func (r Remarks) join(more Remarks) Remarks {
	if len(r.Remarks) < maxRemarks {
		r.Remarks = append(slices.Clip(r.Remarks), more.Remarks...)
	}
	if len(r.Errors) < maxRemarks {
		r.Errors = append(slices.Clip(r.Errors), more.Errors...)
	}
	if r.Length == 0 {
		r.Length = more.Length
	}
	if r.Value == nil {
		r.Value = more.Value
	}
	return r
}

// has reports whether a field carries an error of this kind.
func (m Meta) has(path, kind string) bool {
	for _, e := range m[path].Errors {
		if e.Kind == kind {
			return true
		}
	}
	return false
}

// merge adds all remarks of n.
func (m Meta) merge(n Meta) Meta {
	if m == nil {
		return n
	}
	for path, r := range n {
		m = m.add(path, r)
	}
	return m
}

// renumber moves the remarks below a list of which the first dropped of total entries went away.
func (r *reader) renumber(name, sub string, dropped, total int) {
	if dropped == 0 {
		return
	}
	prefix := r.pathTo(name)
	if sub != "" {
		prefix += "." + sub
	}
	prefix += "."
	moved := make(Meta, len(r.meta))
	for path, remarks := range r.meta {
		if path, kept := renumbered(path, prefix, dropped); kept {
			moved[path] = remarks
		}
	}
	r.meta = moved
	for i := range r.errs {
		r.errs[i].Name, _ = renumbered(r.errs[i].Name, prefix, dropped)
	}
	r.shortened(name, total)
}

// renumbered is the path after the move; false when its entry went away.
func renumbered(path, prefix string, dropped int) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return path, true
	}
	index, tail, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(index)
	if err != nil {
		return path, true
	}
	if n < dropped {
		return path, false
	}
	path = prefix + strconv.Itoa(n-dropped)
	if tail != "" {
		path += "." + tail
	}
	return path, true
}

// metaTree reads the _meta member into remarks by path.
// Rule: getsentry/relay relay-event-schema/src/processor (Meta, MetaTree)
func (r *reader) metaTree() Meta {
	if r.kind() != '{' {
		r.skip(maxDepth)
		return nil
	}
	m := make(Meta)
	r.metaNode(m)
	if len(m) == 0 {
		return nil
	}
	return m
}

func (r *reader) metaNode(m Meta) {
	r.open()
	for r.next('}') {
		key := r.key()
		switch {
		case r.kind() != '{' || r.depth > maxDepth:
			r.skip(maxDepth)
		case key == "":
			remarks, ok := r.remarks()
			path := r.pathTo("")
			if _, seen := m[path]; ok && !seen && len(m) < maxMeta && writable(path) {
				m[path] = remarks
			}
		default:
			r.enter(key)
			r.metaNode(m)
			r.leave()
		}
	}
}

// remarks reads the node's own remarks; false when there is nothing in them.
func (r *reader) remarks() (Remarks, bool) {
	var out Remarks
	r.open()
	for r.next('}') {
		switch key := r.key(); {
		case key == "rem" && r.kind() == '[':
			out.Remarks = r.remarkList()
		case key == "err" && r.kind() == '[':
			out.Errors = r.metaErrors()
		case key == "len" && r.kind() >= '0' && r.kind() <= '9':
			end := scalarEnd(r.b, r.i)
			out.Length, _ = strconv.Atoi(r.s[r.i:end])
			r.i = end
		case key == "val" && r.kind() != 'n':
			out.Value = r.small()
		default:
			r.skip(maxDepth)
		}
	}
	return out, out.Remarks != nil || out.Errors != nil || out.Length > 0 || out.Value != nil
}

// small reads a value that is kept only when short.
func (r *reader) small() Value {
	start := r.i
	r.skip(maxDepth)
	if r.i-start > 2*maxOriginal {
		return nil
	}
	return r.clean(r.b[start:r.i], maxDepth)
}

func (r *reader) remarkList() []Remark {
	var out []Remark
	r.open()
	for r.next(']') {
		if r.kind() != '[' || len(out) == maxList {
			r.skip(maxDepth)
			continue
		}
		var parts [4]string
		n := 0
		r.open()
		for r.next(']') {
			text, ok := r.lenientText()
			if !ok {
				r.skip(maxDepth)
			}
			if n < len(parts) {
				parts[n] = text
			}
			n++
		}
		start, _ := strconv.Atoi(parts[2])
		end, _ := strconv.Atoi(parts[3])
		if parts[0] != "" {
			out = append(out, Remark{Rule: parts[0], Kind: parts[1], Start: start, End: end})
		}
	}
	return out
}

func (r *reader) metaErrors() []MetaError {
	var out []MetaError
	r.open()
	for r.next(']') {
		if len(out) == maxList {
			r.skip(maxDepth)
			continue
		}
		var e MetaError
		switch r.kind() {
		case '"':
			e.Kind = r.text()
		case '[':
			r.open()
			for n := 0; r.next(']'); n++ {
				switch {
				case n == 0 && r.kind() == '"':
					e.Kind = r.text()
				case n == 1 && r.kind() == '{':
					e.Data = r.errorData()
				default:
					r.skip(maxDepth)
				}
			}
		default:
			r.skip(maxDepth)
		}
		if e.Kind != "" {
			out = append(out, e)
		}
	}
	return out
}

func (r *reader) errorData() Object {
	var out Object
	r.open()
	for r.next('}') {
		key := r.key()
		if v := r.small(); v != nil && len(out) < maxList && out.index(key) < 0 {
			out = append(out, Member{Name: key, Value: v})
		}
	}
	return out
}
