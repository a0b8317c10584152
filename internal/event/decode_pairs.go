package event

import (
	"net/url"
	"slices"
	"strings"
)

// pairList reads an object, sorted by name, or a list of two-element lists, in order. At most most
// entries are kept. value reads one value; when it is false the entry is dropped.
func (r *reader) pairList(name string, most int, value func(key string) (string, bool)) []Pair {
	r.pairs = r.pairs[:0]
	total := 0
	switch r.kind() {
	case '{':
		r.enter(name)
		r.open()
		for r.next('}') {
			total++
			r.pair(r.key(), most, value)
		}
		r.leave()
		slices.SortStableFunc(r.pairs, func(a, b Pair) int { return strings.Compare(a.Key, b.Key) })
	case '[':
		r.enter(name)
		r.open()
		for r.next(']') {
			total++
			r.listedPair(most, value)
		}
		r.leave()
	default:
		if !r.null() {
			r.invalid(name, "an object")
		}
		return nil
	}
	if total > most {
		r.shortened(name, total)
	}
	return r.kept.pairs.keep(r.pairs)
}

func (r *reader) pair(key string, most int, value func(key string) (string, bool)) {
	if len(r.pairs) >= most {
		r.skip(maxDepth)
		return
	}
	if v, ok := value(key); ok {
		r.pairs = append(r.pairs, Pair{key, v})
	}
}

// listedPair reads one [name, value]; anything else is dropped and remarked.
func (r *reader) listedPair(most int, value func(key string) (string, bool)) {
	if len(r.pairs) >= most {
		r.skip(maxDepth)
		return
	}
	if r.kind() != '[' {
		if !r.null() {
			r.invalid("", "a pair")
		}
		return
	}
	start, before := r.i, len(r.pairs)
	r.open()
	count, key, keyed := 0, "", false
	for r.next(']') {
		switch count++; {
		case count == 1 && r.kind() != 'n':
			if key, keyed = r.lenientText(); !keyed {
				r.skip(maxDepth)
			}
		case count == 2 && keyed:
			r.pair(key, most, value)
		default:
			r.skip(maxDepth)
		}
	}
	if count != 2 {
		r.pairs = r.pairs[:before]
		end := r.i
		r.i = start
		r.invalid("", "a pair")
		r.i = end
	}
}

// tags reads tags in either form; values that are no text are dropped and remarked. There is room
// for those that Normalize adds.
func (r *reader) tags(name string) []Pair {
	sent := r.pairList(name, maxAllTags, func(key string) (string, bool) {
		if r.null() {
			return "", false
		}
		if v, ok := r.lenientText(); ok {
			return v, true
		}
		r.invalid(key, "a string")
		return "", false
	})
	if sent == nil {
		return nil
	}
	return append(r.kept.pairs.room(len(sent)+mostAutoTags), sent...)
}

func (r *reader) modules(name string) []Pair {
	list := r.pairList(name, maxModules, func(key string) (string, bool) { return r.lenient(key), true })
	slices.SortStableFunc(list, func(a, b Pair) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// request reads the HTTP request interface.
// Rule: getsentry/relay relay-event-schema/src/protocol/request.rs
func (r *reader) request(name string) *Request {
	if !r.object(name) {
		return nil
	}
	q := new(Request)
	for r.next('}') {
		switch key := r.key(); key {
		case "url":
			q.URL = r.str(key)
		case "method":
			q.Method = r.str(key)
		case "query_string", "query":
			q.Query = r.query(key)
		case "fragment":
			q.Fragment = r.str(key)
		case "cookies":
			q.Cookies = r.cookies(key)
		case "headers":
			q.Headers = r.headers(key)
		case "data":
			q.Data = r.body(key)
		case "env":
			q.Env = r.rawObject(key)
		case "inferred_content_type":
			q.InferredContentType = r.str(key)
		case "api_target":
			q.APITarget = r.str(key)
		default:
			r.other(&q.Other, key)
		}
	}
	r.leave()
	return q
}

// body reads request data. It has a node budget of its own, because text that turns out to be
// JSON becomes structured later.
func (r *reader) body(name string) Value {
	if r.null() {
		return nil
	}
	nodes := r.nodes
	r.nodes = 0
	v := r.raw(name)
	r.nodes = nodes
	return v
}

func (r *reader) query(name string) []Pair {
	if r.kind() == '"' {
		return ParseQuery(r.text())
	}
	return r.pairList(name, maxPairs, func(key string) (string, bool) { return r.jsonText(key), true })
}

// ParseQuery splits a query string, with or without its question mark, into decoded pairs. What
// cannot be decoded stays as it is.
func ParseQuery(s string) []Pair {
	s = strings.TrimPrefix(s, "?")
	var out []Pair
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		if len(out) == maxPairs {
			break
		}
		key, value, _ := strings.Cut(part, "=")
		out = append(out, Pair{decodeQuery(key), decodeQuery(value)})
	}
	return out
}

func decodeQuery(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return storable(plain)
	}
	return s
}

// storable drops NULs and replaces bytes that are not UTF-8.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func (r *reader) cookies(name string) []Pair {
	if r.kind() == '"' {
		list, _ := parseCookies(r.text())
		return list
	}
	return r.pairList(name, maxPairs, func(key string) (string, bool) { return r.jsonText(key), true })
}

// parseCookies splits a Cookie header; false when a part of it has no name or no value.
func parseCookies(s string) ([]Pair, bool) {
	var out []Pair
	whole := true
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok || key == "" || len(out) == maxPairs {
			whole = false
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = storable(plain)
		}
		out = append(out, Pair{strings.TrimSpace(key), value})
	}
	return out, whole
}

func (r *reader) headers(name string) []Pair {
	list := r.pairList(name, maxPairs, func(key string) (string, bool) {
		if r.null() {
			return "", false
		}
		if r.kind() == '[' {
			return strings.Join(r.texts(key), ","), true
		}
		return r.jsonText(key), true
	})
	for i := range list {
		list[i].Key = headerName(list[i].Key)
	}
	return list
}

// headerName raises the first letter of each part between dashes and leaves the rest.
func headerName(s string) string {
	start := true
	for i := range len(s) {
		c := s[i]
		if start && c >= 'a' && c <= 'z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if (j == 0 || b[j-1] == '-') && b[j] >= 'a' && b[j] <= 'z' {
					b[j] -= 'a' - 'A'
				}
			}
			return string(b)
		}
		start = c == '-'
	}
	return s
}
