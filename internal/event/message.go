package event

import (
	"strings"
)

// maxFormatted bounds a formatted message in bytes, far above what is kept of it.
const maxFormatted = 64 << 10

// params are the parameters of a message, positional or named.
type params struct {
	list  []string
	named map[string]string
	next  int
}

// formatMessage puts parameters into a template in printf style when it has a percent sign, else
// in curly style. Empty when a parameter is missing.
// Rule: getsentry/relay relay-event-normalization/src/logentry.rs
func formatMessage(template string, v Value) string {
	p, ok := readParams(v)
	if !ok {
		return ""
	}
	var out string
	switch {
	case strings.Contains(template, "%"):
		out, ok = p.percent(template)
	case strings.Contains(template, "{"):
		out, ok = p.curly(template)
	default:
		return ""
	}
	if !ok {
		return ""
	}
	return out
}

func readParams(v Value) (*params, bool) {
	if len(v) == 0 || v[0] != '[' && v[0] != '{' {
		return nil, false
	}
	r := reader{b: v, s: string(v)}
	p := new(params)
	if v[0] == '{' {
		p.named = make(map[string]string)
		for r.open(); r.next('}'); {
			key := r.key()
			p.named[key] = r.parameter()
		}
		return p, true
	}
	for r.open(); r.next(']'); {
		p.list = append(p.list, r.parameter())
	}
	return p, true
}

// parameter is a value as it shows in a message: strings bare, the rest as JSON.
func (r *reader) parameter() string {
	if r.kind() == '"' {
		return r.text()
	}
	start := r.i
	r.skip(maxDepth)
	return r.s[start:r.i]
}

func (p *params) take(name string) (string, bool) {
	if name != "" {
		if s, ok := p.named[name]; ok {
			return s, true
		}
		n, ok := index(name)
		if !ok || n >= len(p.list) {
			return "", false
		}
		return p.list[n], true
	}
	if p.next >= len(p.list) {
		return "", false
	}
	p.next++
	return p.list[p.next-1], true
}

// index reads a small decimal number.
func index(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 4 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s != ""
}

// percent formats %s, %d, %(name)s and their relatives; flags, width and precision are passed over.
func (p *params) percent(t string) (string, bool) {
	var sb strings.Builder
	for {
		at := strings.IndexByte(t, '%')
		if at < 0 || sb.Len() > maxFormatted {
			sb.WriteString(t)
			return sb.String(), sb.Len() <= maxFormatted
		}
		sb.WriteString(t[:at])
		t = t[at+1:]
		if strings.HasPrefix(t, "%") {
			sb.WriteByte('%')
			t = t[1:]
			continue
		}
		name := ""
		if strings.HasPrefix(t, "(") {
			end := strings.IndexByte(t, ')')
			if end < 0 {
				return "", false
			}
			name, t = t[1:end], t[end+1:]
		}
		t = strings.TrimLeft(t, "#0-+.*123456789l")
		if t == "" || !strings.ContainsRune("sdiufFgGeExXocrapqv", rune(t[0])) {
			return "", false
		}
		s, ok := p.take(name)
		if !ok {
			return "", false
		}
		sb.WriteString(s)
		t = t[1:]
	}
}

// curly formats {}, {0} and {name}; a format after a colon is passed over.
func (p *params) curly(t string) (string, bool) {
	var sb strings.Builder
	for {
		at := strings.IndexAny(t, "{}")
		if at < 0 || sb.Len() > maxFormatted {
			sb.WriteString(t)
			return sb.String(), sb.Len() <= maxFormatted
		}
		sb.WriteString(t[:at])
		if at+1 < len(t) && t[at+1] == t[at] {
			sb.WriteByte(t[at])
			t = t[at+2:]
			continue
		}
		end := strings.IndexByte(t[at:], '}')
		if t[at] == '}' || end < 0 {
			return "", false
		}
		name, _, _ := strings.Cut(t[at+1:at+end], ":")
		name, _, _ = strings.Cut(name, "!")
		s, ok := p.take(strings.TrimSpace(name))
		if !ok {
			return "", false
		}
		sb.WriteString(s)
		t = t[at+end+1:]
	}
}
