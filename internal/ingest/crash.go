package ingest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/minidump"
)

// document is an event as JSON while it is put together.
type document = map[string]any

// maxCrumbs is how many breadcrumbs are taken from the parts of a form.
const maxCrumbs = 1000

// clientEvent puts together what the parts of a form say of the event, the later over the earlier:
// an event, breadcrumbs, fields. What cannot be read is left out. The id goes into the header,
// unless it came in pieces.
// Rule: getsentry/relay relay-server/src/processing/errors/errors/minidump.rs
func clientEvent(f *form, h *envelope.Header) document {
	doc, pieces, extra := document{}, map[int]string{}, document{}
	if p := f.named(partEvent); p != nil && len(p.buffer.b) <= maxEvent {
		if v, _, err := readPack(p.buffer.b, 0); err == nil {
			merge(doc, v, 0)
		}
	}
	if crumbs := mergeCrumbs(crumbsOf(f.named(partBreadcrumb1)), crumbsOf(f.named(partBreadcrumb2))); len(crumbs) > 0 {
		doc["breadcrumbs"] = document{"values": crumbs}
	}
	takeID(doc, h)
	for i := range f.parts {
		p := &f.parts[i]
		if p.file || len(p.buffer.b) > maxEvent {
			continue
		}
		text, name := string(p.buffer.b), p.name
		rest, ours := strings.CutPrefix(name, "sentry")
		switch {
		case ours && rest == "", ours && strings.HasPrefix(rest, "___"):
			merge(doc, decodeDoc(p.buffer.b), 0)
		case ours && strings.HasPrefix(rest, "["):
			assign(doc, rest, text)
		case ours && strings.HasPrefix(rest, "__"):
			if n, err := strconv.Atoi(rest[2:]); err == nil && n >= 0 && len(pieces) < maxParts {
				pieces[n] += text
			}
		case name != "" && name != partMinidump:
			extra[name] = text
		}
	}
	takeID(doc, h)
	if len(pieces) > 0 {
		merge(doc, decodeDoc(joined(pieces)), 0)
	}
	if len(extra) > 0 {
		merge(doc, document{"extra": extra}, 0)
	}
	delete(doc, "event_id")
	return doc
}

// takeID moves the id of a document into the header, unless that has one.
func takeID(doc document, h *envelope.Header) {
	text, _ := doc["event_id"].(string)
	if id, err := event.ParseID(text); err == nil && h.EventID == (event.ID{}) {
		h.EventID = id
	}
}

func joined(pieces map[int]string) []byte {
	var keys []int
	for n := range pieces {
		keys = append(keys, n)
	}
	slices.Sort(keys)
	var b []byte
	for _, n := range keys {
		b = append(b, pieces[n]...)
	}
	return b
}

// decodeDoc reads JSON, numbers as they are written; nil when it is none.
func decodeDoc(b []byte) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// merge lays the members of an object over those of another, deep.
func merge(into document, v any, depth int) {
	from, _ := v.(map[string]any)
	for name, value := range from {
		inner, isObject := value.(map[string]any)
		if old, ok := into[name].(map[string]any); ok && isObject && depth < maxPackDepth {
			merge(old, inner, depth+1)
			continue
		}
		into[name] = value
	}
}

// assign sets the value at a path such as [user][id].
func assign(doc document, path, text string) {
	names := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "["), "]"), "][")
	if len(names) > 16 {
		return
	}
	for _, name := range names[:len(names)-1] {
		inner, ok := doc[name].(map[string]any)
		if !ok {
			inner = document{}
			doc[name] = inner
		}
		doc = inner
	}
	doc[names[len(names)-1]] = text
}

// crumbsOf reads the breadcrumbs that are written one after the other in a part.
func crumbsOf(p *part) (list []any) {
	if p == nil || len(p.buffer.b) > maxEvent {
		return nil
	}
	for b := p.buffer.b; len(b) > 0 && len(list) < maxCrumbs; {
		v, rest, err := readPack(b, 0)
		if err != nil {
			break
		}
		list, b = append(list, v), rest
	}
	return list
}

// mergeCrumbs joins two lists, of which a client writes one while the other is full: the one that
// ended earlier first, and no more of the oldest than the longer one has room for.
func mergeCrumbs(a, b []any) []any {
	if cmp.Compare(lastTime(a), lastTime(b)) > 0 {
		a, b = b, a
	}
	all := append(slices.Clone(a), b...)
	return all[len(all)-max(len(a), len(b)):]
}

// lastTime is the time of the last breadcrumb as a text that sorts.
func lastTime(list []any) string {
	if len(list) == 0 {
		return ""
	}
	crumb, _ := list[len(list)-1].(map[string]any)
	return fmt.Sprint(crumb["timestamp"])
}

// withCrash adds what a crash report says to the event of an envelope, which it makes when there is
// none. An event that cannot be read stays as it is.
func withCrash(env *envelope.Envelope, maxBytes int64) {
	var dump *minidump.Dump
	main, found := -1, false
	for i := range env.Items {
		it := &env.Items[i]
		if it.Type == "event" && main < 0 {
			main = i
		}
		if it.Type == event.ItemAttachment && it.AttachmentType == typeMinidump && !found {
			dump, _ = minidump.Parse(it.Payload) // nil when it is none
			found = true
		}
	}
	if !found {
		return
	}
	doc := document{}
	if main >= 0 {
		var ok bool
		if doc, ok = decodeDoc(env.Items[main].Payload).(map[string]any); !ok {
			return
		}
	}
	describe(doc, dump)
	payload := encodeDoc(doc)
	for _, part := range []string{"threads", "debug_meta"} { // what is left out of an event that is too large
		if int64(len(payload)) > maxBytes {
			delete(doc, part)
			payload = encodeDoc(doc)
		}
	}
	switch {
	case int64(len(payload)) > maxBytes:
	case main >= 0:
		env.Items[main].Payload = payload
	default:
		env.Items = append(env.Items, envelope.Item{Type: "event", Count: -1, Payload: payload})
	}
}

// encodeDoc writes a document; it holds nothing that JSON has no form for.
func encodeDoc(doc document) []byte {
	b, err := json.Marshal(doc)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// imageTypes are the kinds of loaded files by system.
var imageTypes = map[string]string{"Windows": "pe", "macOS": "macho", "iOS": "macho"}

// describe sets what a crash report knows, where the client has not said better, and what is wrong
// with it; d is nil for an attachment that is none.
// Rule: getsentry/relay relay-server/src/utils/native.rs
func describe(doc document, d *minidump.Dump) {
	doc["platform"] = "native"
	fill(doc, "level", "fatal")
	if notes := crashNotes(d); len(notes) > 0 {
		before, _ := doc["errors"].([]any)
		doc["errors"] = append(notes, before...)
	}
	if d == nil || saysNothing(d) {
		fill(doc, "exception", document{"values": []any{document{"type": "Minidump", "value": "Invalid Minidump",
			"mechanism": document{"type": "minidump", "handled": false, "synthetic": true}}}})
		return
	}
	if _, said := doc["exception"]; !said {
		doc["exception"] = document{"values": []any{crashException(d)}}
		if threads := crashThreads(d); len(threads) > 0 {
			fill(doc, "threads", document{"values": threads})
		}
	}
	contexts, ok := doc["contexts"].(map[string]any)
	if !ok {
		contexts = document{}
		doc["contexts"] = contexts
	}
	if d.OS != "" {
		fill(contexts, "os", document{"name": d.OS, "version": d.OSVersion})
	}
	if d.CPU != "" {
		fill(contexts, "device", document{"arch": d.CPU})
	}
	var images []any
	for i := range d.Modules {
		m := &d.Modules[i]
		image := document{"type": cmp.Or(imageTypes[d.OS], "elf"), "code_file": m.Name, "image_addr": fmt.Sprintf("%#x", m.Base), "image_size": m.Size}
		for name, text := range map[string]string{"code_id": m.CodeID, "debug_id": m.DebugID, "debug_file": m.File} {
			if text != "" {
				image[name] = text
			}
		}
		images = append(images, image)
	}
	if len(images) > 0 {
		fill(doc, "debug_meta", document{"images": images})
	}
}

// fill sets a member that is not there.
func fill(doc document, name string, v any) {
	if doc[name] == nil {
		doc[name] = v
	}
}
