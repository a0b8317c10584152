package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// condition is one node of a compiled rule condition.
type condition interface {
	holds(s subject) bool
}

// The nodes of the condition language.
type (
	allOf   []condition
	anyOf   []condition
	noneOf  struct{ inner condition }
	compare struct {
		field  field
		op     string // gt gte lt lte
		number float64
		text   string
		isText bool
	}
	equals struct {
		field field
		want  []scalar
		fold  bool
	}
	like struct {
		field    field
		patterns globs
	}
	quantified struct {
		every bool
		inner condition
	}
)

func (c allOf) holds(s subject) bool {
	for _, inner := range c {
		if !inner.holds(s) {
			return false
		}
	}
	return true
}

func (c anyOf) holds(s subject) bool {
	for _, inner := range c {
		if inner.holds(s) {
			return true
		}
	}
	return false
}

func (c noneOf) holds(s subject) bool { return !c.inner.holds(s) }

func (c *compare) holds(s subject) bool {
	v := c.field(s)
	var order int
	switch {
	case c.isText && v.kind == kindText:
		order = strings.Compare(v.text, c.text)
	case !c.isText && v.kind == kindNumber && v.number < c.number:
		order = -1
	case !c.isText && v.kind == kindNumber && v.number > c.number:
		order = 1
	case !c.isText && v.kind == kindNumber && v.number == c.number:
	default:
		return false
	}
	switch c.op {
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

func (c *equals) holds(s subject) bool {
	v := c.field(s)
	for _, w := range c.want {
		if c.fold && v.kind == kindText && w.kind == kindText {
			if strings.EqualFold(v.text, w.text) {
				return true
			}
		} else if v == w {
			return true
		}
	}
	return false
}

func (c *like) holds(s subject) bool {
	v := c.field(s)
	return v.kind == kindText && c.patterns.match(v.text, s.steps)
}

// holds tests the exceptions of the event, the list that conditions can look into.
func (c *quantified) holds(s subject) bool {
	for i := range s.ev.Exceptions {
		s.item = &s.ev.Exceptions[i]
		if c.inner.holds(s) != c.every {
			return !c.every
		}
	}
	return c.every
}

const (
	maxCondition = 16 << 10 // bytes of one condition
	maxNodes     = 200
	maxNesting   = 16
)

// wire is a condition as it is written.
type wire struct {
	Op      string          `json:"op"`
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Inner   json.RawMessage `json:"inner"`
	Options struct {
		IgnoreCase bool `json:"ignoreCase"`
	} `json:"options"`
}

// compiler bounds the reading of one condition.
type compiler struct{ nodes int }

// compileCondition reads a condition. The error says where in it the fault is.
// Rule: getsentry/relay relay-protocol/src/condition.rs
func compileCondition(raw json.RawMessage) (condition, error) {
	if len(raw) > maxCondition {
		return nil, fmt.Errorf("condition: longer than %d bytes", maxCondition)
	}
	var c compiler
	return c.node(raw, "condition", 0, false)
}

func (c *compiler) node(raw json.RawMessage, path string, depth int, item bool) (condition, error) {
	if c.nodes++; c.nodes > maxNodes || depth > maxNesting {
		return nil, fmt.Errorf("%s: more than %d conditions or %d levels", path, maxNodes, maxNesting)
	}
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("%s: not a condition", path)
	}
	switch w.Op {
	case "and", "or":
		inner, err := c.list(w.Inner, path, depth, item)
		if err != nil {
			return nil, err
		}
		if w.Op == "and" {
			return allOf(inner), nil
		}
		return anyOf(inner), nil
	case "not":
		inner, err := c.node(w.Inner, path+".inner", depth+1, item)
		if err != nil {
			return nil, err
		}
		return noneOf{inner}, nil
	case "any", "all":
		if w.Name != "event.exceptions" && w.Name != "event.exception.values" {
			return nil, fmt.Errorf("%s.name: %q is no list", path, w.Name)
		}
		inner, err := c.node(w.Inner, path+".inner", depth+1, true)
		if err != nil {
			return nil, err
		}
		return &quantified{w.Op == "all", inner}, nil
	}
	f, ok := fieldOf(w.Name, item)
	if !ok {
		return nil, fmt.Errorf("%s.name: no field is called %q", path, w.Name)
	}
	out, err := leaf(&w, f)
	if err != nil {
		return nil, fmt.Errorf("%s.%w", path, err)
	}
	return out, nil
}

func (c *compiler) list(raw json.RawMessage, path string, depth int, item bool) ([]condition, error) {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil, fmt.Errorf("%s.inner: not a list of conditions", path)
	}
	out := make([]condition, 0, min(len(parts), maxNodes))
	for i, part := range parts {
		inner, err := c.node(part, fmt.Sprintf("%s.inner[%d]", path, i), depth+1, item)
		if err != nil {
			return nil, err
		}
		out = append(out, inner)
	}
	return out, nil
}

// leaf reads a condition on one field.
func leaf(w *wire, f field) (condition, error) {
	values, err := scalars(w.Value)
	if err != nil {
		return nil, err
	}
	switch w.Op {
	case "eq":
		return &equals{f, values, w.Options.IgnoreCase}, nil
	case "gt", "gte", "lt", "lte":
		if len(values) != 1 || values[0].kind != kindNumber && values[0].kind != kindText {
			return nil, errors.New("value: must be one number or text")
		}
		return &compare{f, w.Op, values[0].number, values[0].text, values[0].kind == kindText}, nil
	case "glob":
		out := &like{field: f}
		for _, v := range values {
			if v.kind != kindText || len(v.text) > maxPattern {
				return nil, fmt.Errorf("value: patterns are texts of at most %d bytes", maxPattern)
			}
			if v.text == "" {
				continue
			}
			g, err := compileGlob(v.text)
			if err != nil {
				return nil, fmt.Errorf("value: %w", err)
			}
			out.patterns = append(out.patterns, g)
		}
		return out, nil
	}
	return nil, fmt.Errorf("op: %q is not known", w.Op)
}

// scalars reads one plain value or a list of them.
func scalars(raw json.RawMessage) ([]scalar, error) {
	var v any
	if len(raw) > 0 && json.Unmarshal(raw, &v) != nil {
		return nil, errors.New("value: cannot be read")
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) > maxNodes {
		return nil, fmt.Errorf("value: more than %d entries", maxNodes)
	}
	out := make([]scalar, 0, len(list))
	for _, item := range list {
		s, ok := scalarOf(item)
		if !ok {
			return nil, errors.New("value: objects and nested lists cannot be compared")
		}
		out = append(out, s)
	}
	return out, nil
}
