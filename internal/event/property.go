package event

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
)

// What one event's properties may hold.
const (
	maxProperties       = 250 // fewer than places of slots can count
	maxPropertyFrames   = 40  // of each trace, the newest
	maxPropertyBytes    = 200 // of a value; longer ones are cut
	maxPropertyKeyBytes = 120
	maxContextMembers   = 40 // of one context
)

// volatile are members of contexts that differ with every event: searching for one finds nothing
// worth finding, and keeping them all costs as much as the events themselves.
var volatile = map[string]bool{
	"free_memory": true, "free_storage": true, "usable_memory": true, "external_free_storage": true, "boot_time": true, "uptime": true,
	"app_start_time": true, "app_memory": true, "free_system_memory": true, "processor_frequency": true, "current_time": true, "span_id": true,
	"parent_span_id": true, "timestamp": true, "device_unique_identifier": true, "view_names": true, "aws_request_id": true,
}

// properties collects key and value once each.
type properties struct {
	list  []Pair
	from  int            // place in list of the first
	slots [2 * 256]uint8 // places of pairs, counted from 1, by their hashes; at most half are taken
}

var propertySeed = maphash.MakeSeed()

func (p *properties) add(key, value string) {
	if value == "" || len(key) > maxPropertyKeyBytes || len(p.list)-p.from >= maxProperties {
		return
	}
	if len(value) > maxPropertyBytes {
		value = strings.ToValidUTF8(value[:maxPropertyBytes], "")
	}
	const mask = uint64(len(p.slots) - 1)
	slot := (maphash.String(propertySeed, value) ^ uint64(len(key))) & mask
	for ; p.slots[slot] != 0; slot = (slot + 1) & mask {
		if have := &p.list[p.from+int(p.slots[slot])-1]; have.Value == value && have.Key == key {
			return
		}
	}
	p.list = append(p.list, Pair{key, value})
	p.slots[slot] = uint8(len(p.list) - p.from)
}

func (p *properties) number(key string, n int) {
	if n != 0 {
		p.add(key, strconv.Itoa(n))
	}
}

func (p *properties) truth(key string, b *bool) {
	if b != nil {
		p.add(key, strconv.FormatBool(*b))
	}
}

// Properties is what a search can name of an event beside its tags, by the names of the search
// language: stack.function, error.mechanism, http.method, user.email, flags of features, and the
// plain members of every context as name.member. A key may have several values. Values that differ
// with every event are left out, the trace id aside, and so is what the tag "user" says.
func (e *Event) Properties() []Pair { return e.AppendProperties(make([]Pair, 0, 96)) }

// AppendProperties appends what Properties returns.
func (e *Event) AppendProperties(dst []Pair) []Pair {
	p := &properties{list: dst, from: len(dst)}
	for i := range e.Exceptions {
		x := &e.Exceptions[i]
		p.add("error.type", x.Type)
		p.add("error.value", x.Value)
		if m := x.Mechanism; m != nil {
			p.add("error.mechanism", m.Type)
			p.truth("error.handled", m.Handled)
		}
		p.stack(x.Stacktrace)
	}
	p.stack(e.Stacktrace)
	for i := range e.Threads {
		t := &e.Threads[i]
		if t.Crashed != nil && *t.Crashed || t.Current != nil && *t.Current {
			p.truth("error.main_thread", t.Main)
			p.stack(t.Stacktrace)
		}
	}
	p.request(e.Request)
	p.user(e.User)
	if e.SDK != nil {
		p.add("sdk.name", e.SDK.Name)
		p.add("sdk.version", e.SDK.Version)
	}
	p.add("dist", e.Dist)
	for i := range e.Contexts {
		p.context(&e.Contexts[i])
	}
	return p.list
}

// stack adds the newest frames.
func (p *properties) stack(s *Stacktrace) {
	if s == nil {
		return
	}
	for i := max(0, len(s.Frames)-maxPropertyFrames); i < len(s.Frames); i++ {
		f := &s.Frames[i]
		p.add("stack.filename", f.Filename)
		p.add("stack.abs_path", f.AbsPath)
		p.add("stack.function", f.Function)
		p.add("stack.module", f.Module)
		p.add("stack.package", f.Package)
		p.truth("stack.in_app", f.InApp)
		if f.InApp == nil || *f.InApp { // where libraries were is of no use
			p.number("stack.lineno", f.Lineno)
			p.number("stack.colno", f.Colno)
		}
	}
}

func (p *properties) request(r *Request) {
	if r == nil {
		return
	}
	p.add("http.method", r.Method)
	p.add("http.url", r.URL)
	p.add("http.referer", r.Header("Referer"))
}

func (p *properties) user(u *User) {
	if u == nil {
		return
	}
	for i, n := range u.Names() {
		if i > 0 { // the tag "user" has the first
			p.add("user."+n.Key, n.Value)
		}
	}
	for _, name := range [...]string{"city", "country_code", "region", "subdivision"} {
		if text := u.Geo.text(name); text != "" {
			p.add("geo."+name, text)
		}
	}
}

// contextKeys are the names by which the language calls contexts' members, by theirs: those with
// another name, and those that most events have, so that their names need no memory.
var contextKeys = func() map[string]string {
	keys := map[string]string{"trace.trace_id": "trace", "response.status_code": "http.status_code"}
	for context, members := range map[string]string{
		"app": "app_build app_identifier app_name app_start_time app_version build_type in_foreground", "browser": "browser name version",
		"client_os": "name os version", "cloud_resource": "cloud.platform cloud.provider cloud.region", "culture": "calendar locale timezone",
		"device": "arch brand cpu_description family locale low_memory manufacturer memory_size model model_id name orientation processor_count simulator storage_size timezone",
		"os":     "build kernel_version name os rooted version", "runtime": "build name raw_description runtime version",
	} {
		for member := range strings.FieldsSeq(members) {
			keys[context+"."+member] = context + "." + member
		}
	}
	return keys
}()

func (p *properties) context(c *Context) {
	switch c.Name {
	case "trace":
		p.add("trace", c.Data.text("trace_id"))
		p.add("trace.op", c.Data.text("op"))
		p.add("trace.status", c.Data.text("status"))
		return
	case "replay":
		p.add("replay.id", c.Data.text("replay_id"))
		return
	case "flags":
		p.flags(c.Data.Get("values"))
		return
	}
	var room [maxPropertyKeyBytes]byte
	prefix := append(append(room[:0], strings.ToLower(c.Name)...), '.')
	for _, m := range c.Data[:min(len(c.Data), maxContextMembers)] {
		if m.Name == "type" || volatile[m.Name] || strings.ContainsAny(m.Name, " \n") {
			continue
		}
		text, ok := scalar(m.Value)
		if !ok {
			continue
		}
		name := append(prefix, m.Name...)
		key, known := contextKeys[string(name)]
		if !known {
			key = string(name)
		}
		p.add(key, text)
	}
}

// wholeDigits is how long a whole number may be that a float64 holds exactly, whichever it is.
const wholeDigits = 15

// scalar is the text of a string, number or truth value.
func scalar(v Value) (string, bool) {
	if len(v) == 0 {
		return "", false
	}
	switch v[0] {
	case '"':
		return textOf(v)
	case 't', 'f':
		return string(v), true
	case '{', '[', 'n':
		return "", false
	}
	if len(v) <= wholeDigits && digitsEnd(v, 0) == len(v) {
		return string(v), true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.IsInf(f, 0) {
		return "", false
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

// flags adds the feature flags that were asked for, under flags[name].
func (p *properties) flags(values Value) {
	var list []struct {
		Flag   string `json:"flag"`
		Result any    `json:"result"`
	}
	if json.Unmarshal(values, &list) != nil {
		return
	}
	for _, f := range list[:min(len(list), maxContextMembers)] {
		if f.Flag != "" && f.Result != nil {
			p.add("flags["+f.Flag+"]", fmt.Sprint(f.Result))
		}
	}
}
