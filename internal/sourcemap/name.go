package sourcemap

import (
	"cmp"
	"strings"
)

// Anonymous is what a function without a name is called.
const Anonymous = "<anonymous>"

// FunctionName is what the function around a place of the generated script is called in the
// source: Anonymous when it has no name there. ok is false outside of all functions, and when the
// script is not known, which is nil then.
//
// The name in the script stands for itself unless the map has a better one for the place where it
// stands: a name of its own, or the word in the source.
func (m *Map) FunctionName(s *Script, line, column int) (name string, ok bool) {
	if s == nil {
		return "", false
	}
	f, ok := s.Enclosing(line, column)
	if !ok {
		return "", false
	}
	t, found := m.Lookup(f.Line, f.Column)
	word := ""
	switch {
	case !found || !t.Exact:
	case t.Name != "" && f.Name != "":
		return t.Name, true
	default:
		if lines, known := m.Lines(t, t.Line, t.Line); known && len(lines) == 1 {
			word = functionWord(lines[0], t.Column, f.Name == "")
		}
	}
	if word = cmp.Or(word, f.Name); word == "" {
		word = Anonymous
	}
	return word, true
}

// functionWord is the name at a column of a line of a source, which may have keywords before it;
// where the script has no name, the word function must be among them.
func functionWord(line string, column int, expression bool) string {
	rest := line[byteOf([]byte(line), column-1):]
	for {
		rest = strings.TrimLeft(rest, " \t*\"'")
		end := 0
		for end < len(rest) && (wordByte(rest[end]) || rest[end] == '#' && end == 0) {
			end++
		}
		switch word := rest[:end]; word {
		case "function":
			expression = false
			rest = rest[end:]
		case "async", "static", "get", "set", "const", "let", "var", "export", "default", "public", "private", "protected", "override", "readonly":
			rest = rest[end:]
		default:
			if word == "" || expression || word[0] >= '0' && word[0] <= '9' {
				return ""
			}
			return word
		}
	}
}
