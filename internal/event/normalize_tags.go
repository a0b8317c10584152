package event

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// clientTags cleans the tags that the client sent, and moves members to where they belong.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_event_tags)
func (n *normalizer) clientTags() {
	n.tagFrom("server_name", n.ServerName)
	n.ServerName = ""
	if at := n.Other.index("site"); at >= 0 {
		site, _ := textOf(n.Other[at].Value)
		n.tagFrom("site", site)
		n.Other = n.Other.without("site")
	}
	kept := n.Tags[:0]
	for _, t := range n.Tags {
		t, ok := n.cleanTag(t)
		if !ok || reservedTag(t.Key) {
			continue
		}
		if t.Key == "environment" && n.Environment == "" {
			n.Environment = t.Value
			n.verify("environment", &n.Environment, ValidEnvironment)
			continue
		}
		if !hasTag(kept, t.Key) {
			kept = append(kept, t)
		}
	}
	clear(n.Tags[len(kept):])
	n.Tags = kept
}

// tagFrom makes a tag of an attribute, in place of a tag of that name.
func (n *normalizer) tagFrom(key, value string) {
	if value == "" {
		return
	}
	for i := range n.Tags {
		if n.Tags[i].Key == key {
			n.Tags[i].Value = value
			return
		}
	}
	n.Tags = append(n.Tags, Pair{key, value})
}

// attributeTag reports whether a tag repeats an attribute of the event.
func attributeTag(key string) bool {
	switch key {
	case "level", "environment", "release", "dist", "logger", "user":
		return true
	}
	return false
}

func hasTag(list []Pair, key string) bool {
	for i := range list {
		if list[i].Key == key {
			return true
		}
	}
	return false
}

// reservedTag reports whether only the server may set a tag.
func reservedTag(key string) bool {
	switch key {
	case "release", "dist", "user", "filename", "function", "device.class":
		return true
	}
	return false
}

// cleanTag trims a tag; false when its key or value is not allowed, which is remarked.
func (n *normalizer) cleanTag(t Pair) (Pair, bool) {
	t.Key = strings.TrimSpace(t.Key)
	if strings.Contains(t.Key, " ") {
		t.Key = strings.ReplaceAll(t.Key, " ", "-")
	}
	t.Value = strings.TrimSpace(t.Value)
	path := at("tags")
	switch {
	case t.Key == "":
		return t, false
	case len(t.Key) > limitTag:
		n.lost("tags", "value_too_long", "tag key is too long", "")
	case !validTagKey(t.Key):
		n.lost("tags", "invalid_data", "invalid character in tag key", t.Key)
	case t.Value == "":
		n.lost(path.path(t.Key), "invalid_data", "tag value is empty", "")
	case strings.Contains(t.Value, "\n"):
		n.lost(path.path(t.Key), "invalid_data", "invalid character in tag value", t.Value)
	case len(t.Value) > limitTag && utf8.RuneCountInString(t.Value) > limitTag:
		n.lost(path.path(t.Key), "value_too_long", "tag value is too long", t.Value)
	default:
		return t, true
	}
	return t, false
}

func validTagKey(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '_' && c != '.' && c != ':' && c != '-' {
			return false
		}
	}
	return true
}

// mostAutoTags is how many tags the server adds to nearly every event at most.
const mostAutoTags = 24

// addAutoTags puts the automatic tags behind those of the client. A value that the client set stays,
// unless it repeats an attribute of the event or only the server can know it.
func (n *normalizer) addAutoTags() {
	var buf [mostAutoTags]Pair
	auto := n.appendAutoTags(buf[:0])
	kept := n.Tags[:0]
	for _, t := range n.Tags {
		if at := slices.IndexFunc(auto, func(a Pair) bool { return a.Key == t.Key }); at < 0 {
			kept = append(kept, t)
		} else if !attributeTag(t.Key) {
			auto[at].Value = t.Value
		}
	}
	if len(kept) > maxTags {
		n.Meta = n.Meta.add("tags", Remarks{Length: len(kept)})
		kept = kept[:maxTags]
	}
	n.Tags = append(kept, auto...)
}

// AutoTags are the tags that the server derives from the rest of the event: level, environment,
// release, user, os, browser and the like. Normalize adds them to Tags.
// Rule: getsentry/sentry src/sentry/event_manager.py and src/sentry/interfaces (iter_tags)
func (e *Event) AutoTags() []Pair { return e.appendAutoTags(make([]Pair, 0, mostAutoTags)) }

func (e *Event) appendAutoTags(dst []Pair) []Pair {
	dst = autoTag(dst, "level", e.Level.String())
	dst = autoTag(dst, "environment", e.Environment)
	dst = autoTag(dst, "release", e.Release)
	dst = autoTag(dst, "dist", e.Dist)
	dst = autoTag(dst, "logger", e.Logger)
	dst = autoTag(dst, "transaction", e.Transaction)
	if e.Request != nil {
		dst = autoTag(dst, "url", e.Request.URL)
	}
	dst = autoTag(dst, "user", e.User.Key())
	if x := e.MainException(); x != nil && x.Mechanism != nil {
		dst = autoTag(dst, "mechanism", x.Mechanism.Type)
		if h := x.Mechanism.Handled; h != nil {
			dst = autoTag(dst, "handled", yesNo(*h))
		}
	}
	for i := range e.Contexts {
		dst = e.Contexts[i].appendTags(dst)
	}
	if e.Security != nil {
		dst = e.appendReportTags(dst)
	}
	return dst
}

// appendTags appends the tags of one context.
func (c *Context) appendTags(dst []Pair) []Pair {
	o := c.Data
	switch c.kind() {
	case "os":
		dst = c.tag(c.tag(dst, "", o.label()), ".name", o.text("name"))
		if v := o.Get("rooted"); len(v) > 0 && (v[0] == 't' || v[0] == 'f') {
			dst = c.tag(dst, ".rooted", yesNo(v[0] == 't'))
		}
	case "browser", "runtime":
		dst = c.tag(c.tag(dst, "", o.label()), ".name", o.text("name"))
	case "device":
		dst = c.tag(c.tag(dst, "", o.text("model")), ".family", o.text("family"))
		if c.Name == "device" {
			dst = autoTag(dst, "device.class", o.deviceClass())
		}
	case "gpu":
		dst = c.tag(c.tag(dst, ".name", o.text("name")), ".vendor", o.text("vendor_name"))
	case "app":
		dst = c.tag(dst, ".device", o.text("device_app_hash"))
	case "monitor":
		dst = c.tag(c.tag(dst, ".id", o.text("id")), ".slug", o.text("slug"))
	}
	return dst
}

// tag appends a tag that is named after the context.
func (c *Context) tag(dst []Pair, suffix, value string) []Pair {
	if value == "" {
		return dst
	}
	return autoTag(dst, c.Name+suffix, value)
}

// kind is the type of a context: what it says, else its name.
func (c *Context) kind() string {
	if t := c.Data.text("type"); t != "" {
		return t
	}
	if c.Name == "client_os" {
		return "os"
	}
	return c.Name
}

// label is "name version" of an operating system, browser or runtime; the name alone without a
// version.
func (o Object) label() string {
	name, version := o.text("name"), o.text("version")
	if name == "" || version == "" {
		return name
	}
	return name + " " + version
}

// autoTag appends a tag whose value holds to the rules for tags; an empty value is none.
func autoTag(dst []Pair, key, value string) []Pair {
	if strings.IndexByte(value, '\n') >= 0 {
		value = strings.ReplaceAll(value, "\n", " ")
	}
	if value = strings.TrimSpace(value); len(value) > limitTag {
		value, _ = cutText(value, limit{limitTag, 0})
	}
	if value == "" || len(dst) == maxAllTags-maxTags || !validTagKey(key) || len(key) > limitTag || hasTag(dst, key) {
		return dst
	}
	return append(dst, Pair{key, value})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// text is a member that is a string, empty when it is none.
func (o Object) text(name string) string {
	s, _ := textOf(o.Get(name))
	return s
}

// textOf is the text of a JSON string.
func textOf(v Value) (string, bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	r := reader{b: v, s: string(v)}
	return r.text(), true
}

// without copies o except for one member; nil when nothing is left.
func (o Object) without(name string) Object {
	var out Object
	for _, m := range o {
		if m.Name != name {
			out = append(out, m)
		}
	}
	return out
}

// with copies o with a member set.
func (o Object) with(name string, v Value) Object {
	out := append(make(Object, 0, len(o)+1), o...)
	if at := out.index(name); at >= 0 {
		out[at].Value = v
		return out
	}
	return append(out, Member{name, v})
}
