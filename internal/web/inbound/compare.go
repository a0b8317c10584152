package inbound

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Change is one value that scrubbing would change. What it was is left out.
type Change struct {
	Path  string   // names and numbers with dots between
	After any      // as JSON has it; nil when it is removed
	Rules []string // that changed it, as remarked
}

// maxChanges bounds the list of changes.
const maxChanges = 200

// comparison is one walk over two forms of an event.
type comparison struct {
	changes []Change
	more    bool
}

// compare lists the values that differ between two stored forms of an event.
func compare(before, after []byte) ([]Change, bool, error) {
	var was, is map[string]any
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, false, fault.Wrap(err, fault.Internal, "compare a stored event")
	}
	if err := json.Unmarshal(after, &is); err != nil {
		return nil, false, fault.Wrap(err, fault.Internal, "compare a scrubbed event")
	}
	meta := is["_meta"]
	delete(was, "_meta")
	delete(is, "_meta")
	c := comparison{changes: []Change{}}
	c.walk("", was, is, meta)
	return c.changes, c.more, nil
}

func (c *comparison) walk(path string, was, is, meta any) {
	remarks, _ := meta.(map[string]any)
	if rules := rulesOf(remarks); len(rules) > 0 && !reflect.DeepEqual(was, is) {
		c.add(Change{path, is, rules})
		return
	}
	switch is := is.(type) {
	case map[string]any:
		if old, same := was.(map[string]any); same {
			for _, name := range names(old, is) {
				c.walk(join(path, name), old[name], is[name], remarks[name])
			}
			return
		}
	case []any:
		if old, same := was.([]any); same && len(old) == len(is) {
			for i := range is {
				name := strconv.Itoa(i)
				c.walk(join(path, name), old[i], is[i], remarks[name])
			}
			return
		}
	}
	if !reflect.DeepEqual(was, is) {
		c.add(Change{path, is, []string{}})
	}
}

func (c *comparison) add(change Change) {
	if len(c.changes) == maxChanges {
		c.more = true
		return
	}
	c.changes = append(c.changes, change)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func names(a, b map[string]any) []string {
	var list []string
	for name := range a {
		list = append(list, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// rulesOf names the rules that remarks on a value speak of.
// Rule: https://develop.sentry.dev/sdk/data-model/event-payloads/ (_meta)
func rulesOf(remarks map[string]any) []string {
	own, _ := remarks[""].(map[string]any)
	list, _ := own["rem"].([]any)
	var rules []string
	for _, remark := range list {
		if parts, ok := remark.([]any); ok && len(parts) > 0 {
			if rule, ok := parts[0].(string); ok && !slices.Contains(rules, rule) {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}
