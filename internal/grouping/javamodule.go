package grouping

import (
	"regexp"
	"strings"
)

// javassist matches the names of classes that Javassist makes at run time.
var javassist = regexp.MustCompile(`\$\$_javassist(?:_seam)?(?:_[0-9]+)?`)

const javassistClean = "$$$$_javassist<auto>"

// codegen replaces what code generators number at run time, in this order. Each rule names the
// text without which it cannot match.
var codegen = []struct {
	needs   string
	match   *regexp.Regexp
	replace string
}{
	{"ConstructorAccessor", regexp.MustCompile(`sun\.reflect\.(GeneratedConstructorAccessor|GeneratedSerializationConstructorAccessor)[0-9]+`), "sun.reflect.${1}<auto>"},
	{"CGLIB$$", regexp.MustCompile(`(\$\$[\pL\pN_]+?CGLIB\$\$)[0-9a-fA-F]+(?:_[0-9]+)?`), "${1}<auto>"},
	{"$$_javassist", javassist, javassistClean},
	{"$fn__", regexp.MustCompile(`\$fn__[0-9]+`), "$$fn__<auto>"},
	{"EnhancerBy", regexp.MustCompile(`(\${1,2}EnhancerBy[\pL\pN_]+?\${1,2})[0-9a-fA-F]+(?:_[0-9]+)?`), "${1}<auto>"},
	{"FastClassBy", regexp.MustCompile(`(\${1,2}FastClassBy[\pL\pN_]+?\${1,2})[0-9a-fA-F]+(?:_[0-9]+)?`), "${1}<auto>"},
	{"HibernateProxy", regexp.MustCompile(`(\${1,2}HibernateProxy\${1,2})[\pL\pN_]+`), "${1}<auto>"},
}

// cleanJavaModule removes the parts of a Java class name that differ from run to run. The hint is
// hintNone when there are none.
func cleanJavaModule(module string) (string, hintCode) {
	for _, prefix := range [...]string{
		"sun.reflect.GeneratedMethodAccessor", "jdk.internal.reflect.GeneratedMethodAccessor",
	} {
		if strings.HasPrefix(module, prefix) {
			return prefix, hintReflection
		}
	}
	if !strings.Contains(module, "$") && !strings.Contains(module, "Accessor") {
		return module, hintNone
	}
	clean := module
	for _, rule := range codegen {
		if strings.Contains(clean, rule.needs) {
			clean = rule.match.ReplaceAllString(clean, rule.replace)
		}
	}
	if clean == module {
		return module, hintNone
	}
	return clean, hintCodegen
}
