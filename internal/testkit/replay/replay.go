// Package replay sends what a client was seen to send, as a file tells it, and checks the answers for
// what that client reads of them.
//
//	-- what the client does
//	POST /api/0/organizations/default/teams/
//	{"name":"infra"}
//	201 id:string slug=infra dateCreated:time
//	save team=slug
//
// A line of expectations begins with the status. Each other word is a member and its kind (string, int,
// number, bool, time, array, object, null, any; with ? also null or absent), or a member and its value. a.b[].c
// is c of every element; a member with a dot in its name stands in quotation marks. "save" keeps a member
// for {team} in later lines.
package replay

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Request is one of a file.
type Request struct {
	Name, Method, Path, Body string
	want                     []string // lines
	saves                    map[string]string
	line                     int
}

// Read reads a file.
func Read(t testing.TB, file string) (list []Request) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if name, begins := strings.CutPrefix(line, "-- "); begins {
			list = append(list, Request{Name: name, line: n + 1})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if len(list) == 0 {
			t.Fatalf("%s:%d: a request begins with --", file, n+1)
		}
		r := &list[len(list)-1]
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case r.Method == "":
			r.Method, r.Path = word, rest
		case len(r.want) == 0 && strings.ContainsAny(line[:1], `{["`):
			r.Body += line
		case word == "save":
			name, member, _ := strings.Cut(rest, "=")
			if r.saves == nil {
				r.saves = map[string]string{}
			}
			r.saves[name] = member
		default:
			r.want = append(r.want, line)
		}
	}
	for _, r := range list {
		if r.Method == "" || r.Path == "" || len(r.want) == 0 {
			t.Fatalf("%s:%d: %s is not whole", file, r.line, r.Name)
		}
	}
	return list
}

// Run sends the requests of a file in their order through do and checks what comes back. vars are what
// {name} stands for.
func Run(t *testing.T, file string, vars map[string]string, do func(method, path, body string) (status int, answer []byte)) (n int) {
	t.Helper()
	for _, r := range Read(t, file) {
		status, answer := do(r.Method, fill(r.Path, vars), fill(r.Body, vars))
		var doc any
		if len(answer) > 0 && json.Unmarshal(answer, &doc) != nil && !slices.Contains(strings.Fields(r.want[0]), "text") {
			t.Errorf("%s:%d %s: the answer is no JSON: %.200s", file, r.line, r.Name, answer)
			continue
		}
		for _, problem := range r.check(status, doc, vars) {
			t.Errorf("%s:%d %s: %s %s: %s, in %d %.600s", file, r.line, r.Name, r.Method, fill(r.Path, vars), problem, status, answer)
		}
		for name, member := range r.saves {
			found := Find(doc, member)
			if len(found) == 0 {
				t.Fatalf("%s:%d %s: no %s to save: %d %.600s", file, r.line, r.Name, member, status, answer)
			}
			vars[name] = text(found[0])
		}
		n++
	}
	return n
}

func fill(s string, vars map[string]string) string {
	for name, value := range vars {
		s = strings.ReplaceAll(s, "{"+name+"}", value)
	}
	return s
}

func (r *Request) check(status int, doc any, vars map[string]string) (problems []string) {
	words := words(strings.Join(r.want, " "))
	if words[0] != fmt.Sprint(status) {
		return []string{"want " + words[0]}
	}
	for _, word := range words[1:] {
		if word == "text" {
			continue
		}
		if member, value, isValue := strings.Cut(word, "="); isValue {
			found := Find(doc, member)
			if want := fill(value, vars); len(found) == 0 || text(found[0]) != want {
				problems = append(problems, fmt.Sprintf("want %s to be %s, got %v", member, want, found))
			}
			continue
		}
		at := strings.LastIndexByte(word, ':')
		member, kind := word[:max(at, 0)], word[at+1:]
		kind, maybe := strings.CutSuffix(kind, "?")
		found := Find(doc, member)
		if len(found) == 0 && !maybe {
			problems = append(problems, "there is no "+member)
		}
		for _, v := range found {
			if !is(v, kind) && !(maybe && v == nil) {
				problems = append(problems, fmt.Sprintf("want %s to be %s, got %v", member, kind, v))
				break
			}
		}
	}
	return problems
}

// words splits at blanks outside of quotation marks.
func words(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return c == ' ' && !quoted
	})
}

func is(v any, kind string) bool {
	switch v := v.(type) {
	case string:
		if kind == "time" {
			_, err := time.Parse(time.RFC3339Nano, v)
			return err == nil
		}
		return kind == "string" || kind == "any"
	case float64:
		return kind == "number" || kind == "any" || kind == "int" && v == math.Trunc(v)
	case bool:
		return kind == "bool" || kind == "any"
	case []any:
		return kind == "array" || kind == "any"
	case map[string]any:
		return kind == "object" || kind == "any"
	}
	return kind == "null"
}

// Find returns what a member is: of every element where a list is walked.
func Find(doc any, member string) []any {
	found := []any{doc}
	for _, part := range parts(member) {
		var next []any
		for _, v := range found {
			switch v := v.(type) {
			case []any:
				if part == "[]" {
					next = append(next, v...)
				} else if part == "[0]" && len(v) > 0 {
					next = append(next, v[0])
				}
			case map[string]any:
				if inner, ok := v[part]; ok {
					next = append(next, inner)
				} else if part == "*" {
					for _, inner := range v {
						next = append(next, inner)
					}
				}
			}
		}
		found = next
	}
	return found
}

// parts are the steps of a member's path.
func parts(member string) (list []string) {
	for member != "" {
		var part string
		switch {
		case member[0] == '"':
			part, member, _ = strings.Cut(member[1:], `"`)
		case member[0] == '[':
			part, member, _ = strings.Cut(member, "]")
			part += "]"
		default:
			at := strings.IndexAny(member, ".[")
			if at < 0 {
				at = len(member)
			}
			part, member = member[:at], member[at:]
		}
		list = append(list, part)
		member = strings.TrimPrefix(member, ".")
	}
	return list
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if v == math.Trunc(v) {
			return fmt.Sprintf("%.0f", v)
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
