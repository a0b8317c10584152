package search

import (
	"maps"
	"slices"
	"strings"
)

// Key is a key of the language as completion shows it.
type Key struct{ Name, About string }

// about says what the keys that people reach for first are; the others are named alone.
var about = map[string]string{
	"is": "state: unresolved, resolved, muted, new, mine …", "has": "has a value for a key", "assigned": "who has it", "level": "fatal to debug",
	"release": "seen in a release; latest", "environment": "seen in an environment", "firstSeen": "-24h: since then", "lastSeen": "-24h: since then",
	"timesSeen": "events: >100", "users": "users: >10", "error.type": "type of the exception", "error.value": "its message",
	"error.unhandled": "true or false", "stack.function": "a function of the trace", "stack.filename": "a file of the trace",
	"issue.priority": "high, medium, low", "user.email": "who it happened to", "http.status_code": "of the answer", "http.url": "of the request",
	"bookmarks": "who marked it", "firstRelease": "the release it began in", "release.version": "compared as a version: >=1.2", "trace": "trace id",
	"project": "project", "platform": "python, javascript …", "title": "part of the title", "age": "-24h: younger than a day",
}

// Keys lists the keys of the language, those that people reach for first before the others, each
// part by name.
func Keys() []Key {
	var first, rest []Key
	for _, n := range names {
		first = append(first, Key{n.names[0], about[n.names[0]]})
	}
	first = append(first, Key{"age", about["age"]})
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		rest = append(rest, Key{name, about[name]})
	}
	slices.SortStableFunc(first, func(a, b Key) int {
		if (a.About == "") != (b.About == "") {
			if a.About == "" {
				return 1
			}
			return -1
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return append(first, rest...)
}

// Words lists the values that a key takes when they are words of the language, by name; none for
// other keys.
func Words(key string) []string {
	f, name, _ := meaning(key, false)
	if f == FieldProperty && properties[name] != KindWord || f != FieldProperty && f.Kind() != KindWord {
		return nil
	}
	var list []string
	for word, meant := range words[f] {
		if word == meant || f == FieldIs && !strings.Contains(word, "archived_") && !strings.Contains(word, "until_") {
			list = append(list, word)
		}
	}
	slices.Sort(list)
	return list
}

// Quote is a value as a search writes it: in quotation marks where it needs them.
func Quote(value string) string {
	if value != "" && !strings.ContainsAny(value, "\" \t*\\[]()!,") {
		return value
	}
	var b strings.Builder
	writeQuoted(&b, value, true)
	return b.String()
}
