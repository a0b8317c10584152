package event

import (
	"unicode/utf8"
)

// fit holds a free-form part to its depth and size. At the last allowed level a container becomes
// its JSON text; past the size texts are cut and what follows is left out.
func (n *normalizer) fit(o *Object, b bag, p place, name string) {
	total, deep := 0, false
	for i := range *o {
		m := &(*o)[i]
		total += memberSize(m)
		deep = deep || deeper(m.Value, b.depth-2)
	}
	if deep {
		flat := append(make(Object, 0, len(*o)), *o...)
		total = 0
		for i := range flat {
			flat[i].Value = n.flatten(flat[i].Value, b.depth-2, p, name, flat[i].Name)
			total += memberSize(&flat[i])
		}
		*o = flat
	}
	if total > b.size {
		n.shrinkObject(o, b.size, p, name)
	}
}

// memberSize is what a member adds to the JSON text of its object, in bytes.
func memberSize(m *Member) int { return len(m.Name) + len(m.Value) + len(`"":,`) }

func (n *normalizer) shrinkObject(o *Object, size int, p place, name string) {
	kept := make(Object, 0, len(*o))
	for _, m := range *o {
		if left := size - (memberSize(&m) - len(m.Value)); left < len(m.Value) {
			small, ok := shrink(m.Value, left)
			if !ok {
				break
			}
			m.Value = small
			if m.Name != "" {
				n.remarkCut(p.path(name)+"."+m.Name, 0, 0, len((*o)[len(kept)].Value))
			}
			kept = append(kept, m)
			break
		}
		size -= memberSize(&m)
		kept = append(kept, m)
	}
	if len(kept) < len(*o) {
		n.Meta = n.Meta.add(p.path(name), Remarks{Length: len(*o)})
	}
	if *o = kept; len(kept) == 0 {
		*o = nil
	}
}

// fitItems holds every member of o to a bag of its own.
func (n *normalizer) fitItems(o Object, b bag, name string) {
	for i := range o {
		n.fitValue(&o[i].Value, b, at(name), o[i].Name)
	}
}

// fitValue holds one value to its depth and size.
func (n *normalizer) fitValue(v *Value, b bag, p place, name string) {
	if deeper(*v, b.depth-1) {
		*v = n.flatten(*v, b.depth-1, p, name, "")
	}
	if len(*v) <= b.size {
		return
	}
	length := len(*v)
	small, ok := shrink(*v, b.size)
	if !ok {
		small = Value("null")
	}
	*v = small
	n.remarkCut(p.path(name), 0, 0, length)
}

// fitPairs leaves out the pairs past a size, and cuts the one that crosses it.
func (n *normalizer) fitPairs(list *[]Pair, size int, p place, name string) {
	for i := range *list {
		pair := &(*list)[i]
		cost := len(pair.Key) + len(pair.Value) + len(`["",""],`)
		if cost <= size {
			size -= cost
			continue
		}
		n.Meta = n.Meta.add(p.path(name), Remarks{Length: len(*list)})
		if *list = (*list)[:i:i]; i == 0 {
			*list = nil
		}
		return
	}
}

// deeper reports whether containers in v are nested more than levels deep.
func deeper(v Value, levels int) bool {
	if len(v) <= 2*levels || v[0] != '{' && v[0] != '[' {
		return false
	}
	depth := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			end, _ := stringEnd(v, i)
			i = end - 1
		case '{', '[':
			if depth++; depth > levels {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// flatten writes containers nested deeper than levels as their JSON text.
func (n *normalizer) flatten(v Value, levels int, p place, names ...string) Value {
	if !deeper(v, levels) {
		return v
	}
	path := p.path("")
	for _, name := range names {
		if name != "" {
			path += "." + name
		}
	}
	n.remarkCut(path, 0, 0, len(v))
	out := make([]byte, 0, len(v)+len(v)/4)
	depth := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case '"':
			end, _ := stringEnd(v, i)
			out = append(out, v[i:end]...)
			i = end - 1
		case '{', '[':
			if depth == levels {
				r := reader{b: v, i: i}
				r.skip(maxDepth)
				out = appendString(out, string(v[i:r.i]))
				i = r.i - 1
				continue
			}
			depth++
			out = append(out, c)
		default:
			if c == '}' || c == ']' {
				depth--
			}
			out = append(out, c)
		}
	}
	return out
}

// shrink cuts a value to at most size bytes of JSON; false when nothing sensible is left.
func shrink(v Value, size int) (Value, bool) {
	if len(v) <= size {
		return v, true
	}
	switch v[0] {
	case '"':
		return shrinkString(v, size)
	case '{', '[':
		return shrinkContainer(v, size)
	}
	return nil, false
}

// shrinkString keeps the beginning of a quoted text, never part of an escape or character.
func shrinkString(v Value, size int) (Value, bool) {
	room := size - len(`"..."`)
	if room < 1 {
		return nil, false
	}
	i := 1
	for i < len(v)-1 {
		unit := 1
		switch {
		case v[i] == '\\' && v[i+1] == 'u':
			if unit = 6; v[i+2]|0x20 == 'd' && v[i+3] >= '8' {
				unit = 12
			}
		case v[i] == '\\':
			unit = 2
		case v[i] >= utf8.RuneSelf:
			_, unit = utf8.DecodeRune(v[i:])
		}
		if i-1+unit > room {
			break
		}
		i += unit
	}
	out := append(make(Value, 0, i+4), v[:i]...)
	return append(out, `..."`...), true
}

// shrinkContainer keeps the first entries of an object or list, the last of them cut.
func shrinkContainer(v Value, size int) (Value, bool) {
	if size < len(`{}`) {
		return nil, false
	}
	r := reader{b: v, s: string(v)}
	end := v[0] + 2 // } follows { by two, ] follows [ by two
	out := append(make(Value, 0, size), v[0])
	for r.open(); r.next(end); {
		mark := len(out)
		out = comma(out)
		if end == '}' {
			start := r.i
			r.key()
			out = append(out, v[start:r.i]...)
		}
		start := r.i
		r.skip(maxDepth)
		small, ok := shrink(v[start:r.i], size-len(out)-1)
		if !ok {
			out = out[:mark]
			break
		}
		out = append(out, small...)
		if len(small) < r.i-start {
			break
		}
	}
	return append(out, end), true
}
