package scim

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// operation is one step of a PATCH.
// Rule: https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

const maxOperations = 100

func (c *call) readPatch() ([]operation, error) {
	var d struct {
		Schemas    []string    `json:"schemas"`
		Operations []operation `json:"Operations"`
	}
	if err := c.read(&d); err != nil {
		return nil, err
	}
	if !slices.Contains(d.Schemas, schemaPatch) || len(d.Operations) == 0 || len(d.Operations) > maxOperations {
		return nil, fault.New(fault.Invalid, "A PATCH has the schema PatchOp and 1 to %d Operations.", maxOperations)
	}
	for i := range d.Operations {
		op := &d.Operations[i]
		op.Op, op.Path = strings.ToLower(op.Op), strings.TrimPrefix(strings.TrimPrefix(op.Path, schemaUser+":"), schemaGroup+":")
		if op.Op != "add" && op.Op != "replace" && op.Op != "remove" {
			return nil, fault.New(fault.Invalid, "An operation is add, replace or remove.")
		}
	}
	return d.Operations, nil
}

// fields are the attributes that an operation sets, by lower-case path: without a path, the value
// is an object of them.
func (op operation) fields() (map[string]json.RawMessage, error) {
	if op.Path != "" {
		return map[string]json.RawMessage{strings.ToLower(op.Path): op.Value}, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(op.Value, &m); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "An operation without a path has an object as its value.")
	}
	out := make(map[string]json.RawMessage, len(m))
	for k, v := range m {
		out[strings.ToLower(k)] = v
	}
	return out, nil
}

// truth reads a boolean, which some providers send as text.
func truth(raw json.RawMessage) (bool, error) {
	b, err := strconv.ParseBool(strings.ToLower(strings.Trim(string(bytes.TrimSpace(raw)), `"`)))
	if err != nil {
		return false, fault.New(fault.Invalid, "active is true or false.")
	}
	return b, nil
}

func (op operation) applyUser(d *userDoc) error {
	fields, err := op.fields()
	if err != nil {
		return err
	}
	for path, raw := range fields {
		if op.Op == "remove" {
			raw = json.RawMessage(`""`)
		}
		var s string
		switch path {
		case "active":
			on, err := truth(raw)
			if err != nil {
				return err
			}
			d.Active = &on
			continue
		case "name":
			if err := json.Unmarshal(raw, &d.Name); err != nil {
				return fault.New(fault.Invalid, "name is an object.")
			}
			d.DisplayName = ""
			continue
		case "emails":
			if err := json.Unmarshal(raw, &d.Emails); err != nil {
				return fault.New(fault.Invalid, "emails is a list of objects.")
			}
			continue
		}
		if json.Unmarshal(raw, &s) != nil {
			continue // attributes that are not kept here may have any shape
		}
		switch {
		case path == "username":
			d.UserName = s
		case path == "externalid":
			d.ExternalID = s
		case path == "displayname":
			d.DisplayName = s
		case path == "name.formatted":
			d.Name.Formatted, d.DisplayName = s, ""
		case path == "name.givenname":
			d.Name.GivenName, d.DisplayName = s, ""
		case path == "name.familyname":
			d.Name.FamilyName, d.DisplayName = s, ""
		case strings.HasPrefix(path, "emails[") && strings.HasSuffix(path, "].value"):
			d.UserName = s
		}
	}
	return nil
}

var memberForm = regexp.MustCompile(`^members\[value eq "([^"]{1,64})"\]$`)

func (op operation) applyGroup(d *groupDoc) error {
	fields, err := op.fields()
	if err != nil {
		return err
	}
	for path, raw := range fields {
		if m := memberForm.FindStringSubmatch(path); m != nil && op.Op == "remove" {
			d.Members = slices.DeleteFunc(d.Members, func(r ref) bool { return r.Value == m[1] })
			continue
		}
		switch path {
		case "members":
			if err := op.applyMembers(d, raw); err != nil {
				return err
			}
		case "displayname", "externalid":
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return fault.New(fault.Invalid, "%s is a text.", path)
			}
			if path == "displayname" {
				d.DisplayName = s
			} else {
				d.ExternalID = s
			}
		case "id", "schemas", "meta":
		default:
			return fault.New(fault.Invalid, "There is no attribute %.60s to change.", path)
		}
	}
	return nil
}

func (op operation) applyMembers(d *groupDoc, raw json.RawMessage) error {
	var list []ref
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &list); err != nil {
			return fault.New(fault.Invalid, "members is a list of objects with a value.")
		}
	}
	switch op.Op {
	case "replace":
		d.Members = list
	case "add":
		for _, r := range list {
			if !slices.Contains(d.Members, r) {
				d.Members = append(d.Members, r)
			}
		}
	case "remove":
		d.Members = slices.DeleteFunc(d.Members, func(r ref) bool { return len(list) == 0 || slices.Contains(list, r) })
	}
	return nil
}

var filterForm = regexp.MustCompile(`(?i)^\s*([a-z.$:]{1,100}(?:\[type eq "work"\]\.value)?)\s+(eq|co|sw|pr)(?:\s+(?:"((?:[^"\\]|\\.){0,500})"|(true|false)))?\s*$`)

// parseFilter reads comparisons joined by "and", which is what providers send: userName eq "x".
// Rule: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2
func parseFilter(text string) (func(map[string]string) bool, error) {
	if strings.TrimSpace(text) == "" {
		return func(map[string]string) bool { return true }, nil
	}
	if len(text) > 2000 {
		return nil, fault.New(fault.Invalid, "The filter is too long.")
	}
	type test struct{ name, op, value string }
	var tests []test
	for part := range strings.SplitSeq(text, " and ") {
		m := filterForm.FindStringSubmatch(part)
		if m == nil || (m[2] == "pr") != (m[3] == "" && m[4] == "" && !strings.Contains(part, `""`)) {
			return nil, fault.New(fault.Invalid, "The filter is not one of: attribute eq, co or sw \"value\", attribute pr, joined by and.")
		}
		name := strings.ToLower(strings.TrimPrefix(m[1], schemaUser+":"))
		name, _, _ = strings.Cut(name, "[")
		value := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(m[3])
		if m[4] != "" {
			value = strings.ToLower(m[4])
		}
		tests = append(tests, test{name, strings.ToLower(m[2]), value})
	}
	return func(have map[string]string) bool {
		for _, t := range tests {
			got, want := have[t.name], t.value
			if t.name == "username" || strings.HasPrefix(t.name, "emails") {
				want = strings.ToLower(want)
			}
			holds := t.op == "eq" && got == want || t.op == "co" && strings.Contains(got, want) || t.op == "sw" && strings.HasPrefix(got, want) || t.op == "pr" && got != ""
			if !holds {
				return false
			}
		}
		return true
	}, nil
}
