package grouping

import (
	"slices"
	"strings"
)

// field is what a condition of a stack-trace rule looks at.
type field uint8

const (
	fieldFamily field = iota
	fieldPath
	fieldModule
	fieldFunction
	fieldPackage
	fieldCategory
	fieldApp
	fieldType
	fieldValue
	fieldMechanism
)

var fieldByName = map[string]field{
	"family": fieldFamily,
	"path":   fieldPath, "stack.abs_path": fieldPath,
	"module": fieldModule, "stack.module": fieldModule,
	"function": fieldFunction, "stack.function": fieldFunction,
	"package": fieldPackage, "stack.package": fieldPackage,
	"category": fieldCategory,
	"app":      fieldApp,
	"type":     fieldType, "error.type": fieldType,
	"value": fieldValue, "error.value": fieldValue,
	"mechanism": fieldMechanism, "error.mechanism": fieldMechanism,
}

var fieldNames = [...]string{
	fieldFamily: "family", fieldPath: "path", fieldModule: "module", fieldFunction: "function",
	fieldPackage: "package", fieldCategory: "category", fieldApp: "app", fieldType: "type",
	fieldValue: "value", fieldMechanism: "mechanism",
}

// static reports whether no rule changes the field.
func (f field) static() bool { return f >= fieldPath && f <= fieldPackage }

func (f field) ofException() bool { return f >= fieldType }

// matcher is one condition of a stack-trace rule.
type matcher struct {
	field   field
	negated bool
	arg     string
	glob    *glob
	app     triState // what app: asks for; unset never matches
}

// leads reports whether only a text that begins as the pattern does can meet the condition.
func (m *matcher) leads() bool {
	if m.negated || !m.field.static() || m.glob.text == "" {
		return false
	}
	switch m.glob.shape {
	case shapeLiteral, shapePrefix, shapeBelow, shapeRegexp:
		return true
	}
	return false
}

func newMatcher(f field, arg string, negated bool) *matcher {
	m := &matcher{field: f, arg: arg, negated: negated}
	switch f {
	case fieldFamily:
	case fieldApp:
		m.app = truth(arg)
	case fieldPath, fieldPackage:
		m.glob = compileGlob(arg, globPath)
	default:
		m.glob = compileGlob(arg, globText)
	}
	return m
}

// String is the condition in its short form.
func (m *matcher) String() string {
	arg := m.arg
	if strings.ContainsAny(arg, " \t\"") || arg == "" {
		arg = `"` + strings.ReplaceAll(arg, `"`, `\"`) + `"`
	}
	if m.negated {
		return "!" + fieldNames[m.field] + ":" + arg
	}
	return fieldNames[m.field] + ":" + arg
}

// truth reads the argument of app conditions.
func truth(arg string) triState {
	switch strings.ToLower(arg) {
	case "1", "yes", "true":
		return stateOn
	case "0", "no", "false":
		return stateOff
	}
	return stateUnset
}

// family tests a comma list of families.
func (m *matcher) family(f family) bool { return familyListed(m.arg, f) != m.negated }

func familyListed(list string, f family) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(name string) bool {
		name = strings.TrimSpace(name)
		return name == "all" || name == familyNames[f]
	})
}

// frame tests a condition on one frame; those on the exception are false.
func (m *matcher) frame(f *frameState) bool {
	if m.field == fieldFamily {
		return m.family(f.family)
	}
	return m.holds(f) != m.negated
}

func (m *matcher) holds(f *frameState) bool {
	switch m.field {
	case fieldPath:
		v := f.foldedPath()
		return v != "" && m.glob.match(v)
	case fieldPackage:
		v := f.foldedPackage()
		return v != "" && m.glob.match(v)
	case fieldModule:
		return f.frame.Module != "" && m.glob.test(f.frame.Module)
	case fieldFunction:
		return m.glob.test(f.function)
	case fieldCategory:
		return f.category != "" && m.glob.test(f.category)
	case fieldApp:
		return m.app == stateOn && f.inApp == stateOn || m.app == stateOff && f.inApp != stateOn
	}
	return false
}

// exception tests a condition on the exception that owns the stack trace.
func (m *matcher) exception(o owner) bool {
	v := ""
	switch m.field {
	case fieldType:
		v = o.errType
	case fieldValue:
		v = o.value
	case fieldMechanism:
		v = o.mechanism
	}
	if v == "" {
		v = "<unknown>"
	}
	return m.glob.test(v) != m.negated
}

// owner is the exception that a stack trace belongs to, empty for other traces.
type owner struct{ errType, value, mechanism string }
