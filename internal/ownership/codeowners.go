package ownership

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// ParseCodeOwners reads a CODEOWNERS file. Its lines are tolerated as the hosts of code do it:
// sections are left out, a pattern without owners takes them away.
// Rule: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
func ParseCodeOwners(text string) (Rules, error) {
	if len(text) > MaxBytes || !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "A CODEOWNERS file is UTF-8 text of at most %d bytes.", MaxBytes)
	}
	var rules Rules
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := ownerFields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "[") || strings.HasPrefix(fields[0], "^[") || len(fields[0]) > maxPattern {
			continue
		}
		r := Rule{Kind: CodeOwners, Pattern: fields[0], Line: number}
		for _, owner := range fields[1:] {
			if strings.Contains(owner, "@") && len(r.Owners) < maxOwners {
				r.Owners = append(r.Owners, owner)
			}
		}
		r.compile()
		if rules = append(rules, r); len(rules) > maxRules {
			return nil, fault.New(fault.Invalid, "A CODEOWNERS file can have at most %d patterns.", maxRules)
		}
	}
	return rules, nil
}

// ownerFields splits a line at blanks that no backslash escapes, up to a comment.
func ownerFields(line string) (fields []string) {
	var field strings.Builder
	flush := func() {
		if field.Len() > 0 {
			fields = append(fields, field.String())
			field.Reset()
		}
	}
	escaped := false
	for _, c := range strings.TrimRight(line, "\r\n") {
		switch {
		case escaped:
			field.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == ' ' || c == '\t':
			flush()
		case c == '#' && field.Len() == 0:
			return fields
		default:
			field.WriteRune(c)
		}
	}
	flush()
	return fields
}

// gitPattern is a pattern of a CODEOWNERS file as an expression over paths without a leading slash:
// one with a slash before its end begins at the top, a folder owns all that is in it.
// Rule: https://git-scm.com/docs/gitignore#_pattern_format
func gitPattern(pattern string) *regexp.Regexp {
	anchored := strings.Contains(strings.TrimSuffix(pattern, "/"), "/")
	folder := strings.HasSuffix(pattern, "/")
	pattern = strings.Trim(pattern, "/")
	var b strings.Builder
	b.WriteString("(?s)^")
	if !anchored {
		b.WriteString("(?:.*/)?")
	}
	for i := 0; i < len(pattern); {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString("(?:.*/)?")
			i += 3
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			i += 2
		case rest[0] == '*':
			b.WriteString("[^/]*")
			i++
		case rest[0] == '?':
			b.WriteString("[^/]")
			i++
		default:
			_, size := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(rest[:size]))
			i += size
		}
	}
	switch {
	case folder:
		b.WriteString("/.*$")
	case strings.HasSuffix(pattern, "*") && anchored: // of one folder alone
		b.WriteString("$")
	default:
		b.WriteString("(?:/.*)?$")
	}
	return regexp.MustCompile(b.String()) // every part is quoted
}
