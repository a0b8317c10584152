package view

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// highlights are the facts that people look for first, in a fixed order.
func highlights(ev *event.Event, tagHref func(key, value string) string) []Highlight {
	var list []Highlight
	add := func(name, value, href string) {
		if value != "" {
			list = append(list, Highlight{name, value, href})
		}
	}
	tag := func(name, key string) {
		if value, ok := ev.Tag(key); ok && value != "" {
			add(name, value, tagHref(key, value))
		}
	}
	add("transaction", ev.Transaction, tagHref("transaction", ev.Transaction))
	tag("url", "url")
	add("release", ev.Release, tagHref("release", ev.Release))
	add("environment", ev.Environment, tagHref("environment", ev.Environment))
	if key := ev.User.Key(); key != "" {
		kind, value, _ := strings.Cut(key, ":")
		add("user", first(ev.User.Email, ev.User.Username, value), tagHref("user."+kind, value))
	}
	tag("browser", "browser")
	tag("runtime", "runtime")
	tag("system", "os")
	tag("device", "device")
	tag("server", "server_name")
	if id := scalar(ev.Context("trace").Get("trace_id")); id != "" {
		add("trace", id, tagHref("trace", id))
	}
	return list
}

// flags are the feature flags that were evaluated before the event.
// Rule: https://develop.sentry.dev/sdk/foundations/data-model/event-payloads/contexts/#feature-flag-context
func flags(o event.Object) []Pair {
	v := o.Get("values")
	if len(v) == 0 || v[0] != '[' {
		return nil
	}
	var list []Pair
	members(v, func(_ string, item event.Value) {
		if len(item) == 0 || item[0] != '{' {
			return
		}
		var p Pair
		members(item, func(name string, value event.Value) {
			switch name {
			case "flag":
				p.Key = scalar(value)
			case "result":
				p.Value = cutText(scalar(value), 200)
			}
		})
		if p.Key != "" {
			list = append(list, p)
		}
	})
	return list
}

// controls are the choices of how traces are drawn, those that would change something.
func controls(ev *event.Event, o EventOptions) []Control {
	var raw, absolute, foldable, frames bool
	see := func(now, then *event.Stacktrace) {
		raw = raw || then != nil
		if now == nil {
			return
		}
		frames = frames || len(now.Frames) > 1
		for i := range now.Frames {
			f := &now.Frames[i]
			absolute = absolute || f.AbsPath != "" && f.AbsPath != f.Filename
			foldable = foldable || !ours(f)
		}
	}
	for i := range ev.Exceptions {
		see(ev.Exceptions[i].Stacktrace, ev.Exceptions[i].RawStacktrace)
	}
	for i := range ev.Threads {
		see(ev.Threads[i].Stacktrace, ev.Threads[i].RawStacktrace)
	}
	see(ev.Stacktrace, nil)
	var list []Control
	add := func(show bool, label, name string, at string, choices ...string) {
		if !show {
			return
		}
		c := Control{Label: label}
		for i := 0; i < len(choices); i += 2 {
			c.Choices = append(c.Choices, Link{Label: choices[i+1], Href: o.With(name, choices[i]), Current: at == choices[i]})
		}
		list = append(list, c)
	}
	word := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	add(frames && foldable, "Frames", "frames", word(o.Look.Full, "all", "in-app"), "in-app", "In-app", "all", "All")
	add(frames, "Order", "order", word(o.Look.Oldest, "oldest", "newest"), "newest", "Newest first", "oldest", "Oldest first")
	add(raw, "Version", "version", first(o.Look.Version, "resolved"), "resolved", "Resolved", "raw", "As it arrived", "both", "Both")
	add(absolute, "Paths", "paths", word(o.Look.Absolute, "absolute", "short"), "short", "Short paths", "absolute", "Absolute")
	return list
}
