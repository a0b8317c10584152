package ingest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const minidumpPath = "/api/1/minidump"

// crashDump is a dump of a segmentation fault on Linux in thread 7.
func crashDump() string {
	le := binary.LittleEndian
	b := []byte("MDMP\x93\xa7\x00\x00")
	for _, n := range []uint32{2, 32, 0, 0, 0, 0, 6, 40, 56, 7, 24, 96} {
		b = le.AppendUint32(b, n)
	}
	for _, n := range []uint32{7, 0, 11, 0, 0, 0, 0xdead, 0, 0, 0, 9, 0, 5, 10, 0, 0x8201} {
		b = le.AppendUint32(b, n)
	}
	return string(b)
}

// packed writes values as MessagePack, with the shortest leads of maps and texts only.
func packed(v any) string {
	switch v := v.(type) {
	case map[string]any:
		out := string([]byte{0x80 | byte(len(v))})
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out += packed(name) + packed(v[name])
		}
		return out
	case string:
		return string([]byte{0xd9, byte(len(v))}) + v
	}
	return "\xc0"
}

var hyphenated = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// crash sends a form or body and returns the event it became and its files by name.
func (g *rig) crash(name string, c call, files int) (id string, doc map[string]any, kept map[string]event.Attachment) {
	g.t.Helper()
	got := g.do(c)
	if got.status != 200 || got.header.Get("Content-Type") != "text/plain" || !hyphenated.MatchString(got.body) {
		g.t.Fatalf("%s: %d %s", name, got.status, got.body)
	}
	id = strings.ReplaceAll(got.body, "-", "")
	if err := json.Unmarshal(g.wait(id).Payload, &doc); err != nil {
		g.t.Fatal(err)
	}
	kept = map[string]event.Attachment{}
	for _, raw := range g.companions(id, files) {
		if raw.ItemType != event.ItemAttachment {
			continue
		}
		a, content := g.file(raw)
		if a.Type == typeMinidump && content != crashDump() {
			g.t.Errorf("%s: %d bytes of another dump", name, len(content))
		}
		kept[a.Name] = a
	}
	return id, doc, kept
}

func value(doc map[string]any, path ...string) any {
	var v any = doc
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestConformanceMinidumps is rows 103 to 105 and 107.
func TestConformanceMinidumps(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	dump := upload{partMinidump, "crash.dmp", crashDump()}

	_, doc, kept := g.crash("103", formCall(minidumpPath, dump, upload{"log", "app.log", "line"}, upload{"product", "", "shop"}), 2)
	exception := value(doc, "exception").(map[string]any)["values"].([]any)[0].(map[string]any)
	if exception["type"] != "SIGSEGV" || value(exception, "mechanism", "type") != "minidump" || value(exception, "mechanism", "handled") != false || exception["thread_id"] != 7.0 ||
		doc["platform"] != "native" || doc["level"] != "fatal" || value(doc, "contexts", "os", "name") != "Linux" || value(doc, "extra", "product") != "shop" {
		t.Errorf("103: %v", doc)
	}
	if kept["crash.dmp"].Type != typeMinidump || kept["app.log"].Type != event.DefaultAttachment || len(kept) != 2 {
		t.Errorf("103: %+v", kept)
	}

	want := eventID(104)
	id, doc, kept := g.crash("104 msgpack", formCall(minidumpPath, dump, upload{partEvent, partEvent, packed(map[string]any{"event_id": want, "release": "shop@1", "user": map[string]any{"id": "a"}})},
		upload{partBreadcrumb1, partBreadcrumb1, packed(map[string]any{"message": "one"})}), 1)
	if id != want || doc["release"] != "shop@1" || value(doc, "user", "id") != "a" || len(kept) != 1 || len(value(doc, "breadcrumbs", "values").([]any)) != 1 {
		t.Errorf("104: %s %v %v", id, doc, kept)
	}
	id, doc, _ = g.crash("104 fields", formCall(minidumpPath, dump, upload{"sentry[event_id]", "", eventID(1041)}, upload{"sentry[user][id]", "", "b"}), 1)
	if id != eventID(1041) || value(doc, "user", "id") != "b" {
		t.Errorf("104: %s %v", id, doc)
	}
	id, doc, _ = g.crash("105 pieces", formCall(minidumpPath, dump, upload{"sentry__1", "", `{"event_id":"` + eventID(105) + `","rel`}, upload{"sentry__2", "", `ease":"shop@2"}`}), 1)
	if id == eventID(105) || doc["release"] != "shop@2" {
		t.Errorf("105: %s %v", id, doc)
	}
	_, doc, _ = g.crash("105 broken", formCall(minidumpPath, dump, upload{"sentry", "", "{{{{"}), 1)
	if doc["level"] != "fatal" {
		t.Errorf("105: %v", doc)
	}
	for _, kind := range []string{"application/octet-stream", "application/x-dmp"} {
		_, _, kept = g.crash("107 "+kind, call{path: minidumpPath, body: crashDump(), header: http.Header{"Content-Type": {kind}}}, 1)
		if kept["Minidump"].Type != typeMinidump {
			t.Errorf("107: %+v", kept)
		}
	}
	for suffix, data := range packings(t) {
		_, _, kept = g.crash(suffix, formCall(minidumpPath+"/", upload{partMinidump, "crash.dmp" + suffix, data}), 1)
		if kept["crash.dmp"].Type != typeMinidump {
			t.Errorf("%s: %+v", suffix, kept)
		}
	}
	inner := formCall("", dump)
	g.crash("nested", formCall(minidumpPath, upload{partMinidump, "nested", inner.body}), 1)
}

// packings are the dump in each container.
func packings(t *testing.T) map[string]string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	x, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = x.Write([]byte(crashDump())); err == nil {
		err = x.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{".gz": string(gzipped([]byte(crashDump()))), ".zst": string(z.EncodeAll([]byte(crashDump()), nil)), ".xz": b.String()}
}

// TestConformanceBadMinidumps is row 106.
func TestConformanceBadMinidumps(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	counts := func(reason string) map[outcome.Key]int64 {
		m := invalid(outcome.Error, reason, 1)
		maps.Copy(m, invalid(outcome.Attachment, reason, 1))
		maps.Copy(m, invalid(outcome.AttachmentItem, reason, 1))
		return m
	}
	bomb := string(gzipped(append([]byte(crashDump()), make([]byte, 64<<20)...)))
	g.run([]row{
		{name: "wrong mark", call: formCall(minidumpPath, upload{partMinidump, "a.dmp", "PK\x03\x04"}), status: 400, body: detail("invalid minidump"), counts: counts("invalid_minidump")},
		{name: "wrong field", call: formCall(minidumpPath, upload{"dump", "a.dmp", crashDump()}), status: 400, body: detail("missing minidump"), counts: counts("missing_minidump_upload")},
		{name: "broken gzip", call: formCall(minidumpPath, upload{partMinidump, "a.dmp", "\x1f\x8bnothing"}), status: 400, body: detail("invalid compression container"), counts: counts("invalid_compression")},
		{name: "bomb", call: formCall(minidumpPath, upload{partMinidump, "a.dmp", bomb}), status: 413, body: "*", counts: counts("too_large:attachment")},
		{name: "nested nothing", call: formCall(minidumpPath, upload{partMinidump, "a", "--x\r\n--x--"}), status: 400, body: "*"},
		{name: "no form", call: call{path: minidumpPath, body: crashDump()}, status: 400, body: detail("invalid multipart data")},
		{name: "empty", call: call{path: minidumpPath, header: http.Header{"Content-Type": {"application/x-dmp"}}}, status: 400, body: detail("empty request body")},
	})
}

func TestACrashInAnEnvelopeCompletesItsEvent(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	h := newTestService(t, testConfig(), queue).routes()
	body := event1(id, `{"release":"shop@1","level":"error","n":12345678901234567890}`) + `{"type":"attachment","attachment_type":"event.minidump","filename":"c.dmp","length":` +
		strconv.Itoa(len(crashDump())) + "}\n" + crashDump()
	if w := post(h, envelopePath, auth, body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if len(queue.events) != 2 {
		t.Fatalf("want an event and its dump, got %+v", queue.events)
	}
	payload := string(queue.events[0].Payload)
	for _, part := range []string{`"release":"shop@1"`, `"level":"error"`, `12345678901234567890`, `"SIGSEGV"`, `"platform":"native"`} {
		if !strings.Contains(payload, part) {
			t.Errorf("%s is not in %s", part, payload)
		}
	}
}

func TestPackedValuesAreRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]any{
		"\x07": 7.0, "\xff": -1.0, "\xc0": nil, "\xc3": true, "\xa2hi": "hi", "\xcd\x01\x00": 256.0, "\xd1\xff\xfe": -2.0, "\xca\x3f\x80\x00\x00": 1.0,
		"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00": nil, "\x92\x01\xa1a": []any{1.0, "a"}, "\x82\xa1a\x01\x02\x03": map[string]any{"a": 1.0}, "\xdc\x00\x01\xc2": []any{false},
	} {
		got, rest, err := readPack([]byte(in), 0)
		if diff := cmp.Diff(want, got); err != nil || len(rest) > 0 || diff != "" {
			t.Errorf("%x: %v, %x left (-want +got):\n%s", in, err, rest, diff)
		}
	}
	for _, in := range []string{"", "\xc1", "\xa5hi", "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xcd\x01", strings.Repeat("\x91", 1<<20)} {
		if _, _, err := readPack([]byte(in), 0); err == nil {
			t.Errorf("%.8x is read", in)
		}
	}
}

// FuzzPack: what is read of MessagePack can be written as JSON.
func FuzzPack(f *testing.F) {
	f.Add([]byte(packed(map[string]any{"a": map[string]any{"b": "c"}})))
	f.Add([]byte("\xdd\x00\x00\x00\x02\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, rest, err := readPack(data, 0)
		if err != nil {
			return
		}
		if _, err := json.Marshal(v); err != nil || len(rest) >= len(data) {
			t.Errorf("%v, %d of %d bytes left", err, len(rest), len(data))
		}
	})
}

// FuzzCrashForm: whatever a crash reporter sends, memory is given back.
func FuzzCrashForm(f *testing.F) {
	for _, p := range []upload{{partMinidump, "a.dmp", crashDump()}, {"sentry[a][b]", "", "x"}, {"sentry__1", "", "{}"}, {partEvent, "e", packed(map[string]any{"a": "b"})}} {
		c := formCall("/", p, upload{partMinidump, "b.dmp", string(gzipped([]byte(crashDump())))})
		f.Add(c.header.Get("Content-Type"), []byte(c.body))
	}
	s := newTestService(f, testConfig(), &memory{})
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if form, err := s.readForm(t.Context(), contentType, body); err == nil {
			if dump, err := s.findDump(t.Context(), form); err == nil {
				env := crashEnvelope(form, dump)
				withCrash(env, 1<<20)
				if len(env.Items) < 2 {
					t.Errorf("%+v", env.Items)
				}
			}
			form.free()
		}
		if !s.budget.small.TryAcquire(s.cfg.BodyMemoryBytes / 3) {
			t.Fatal("memory was not given back")
		}
		s.budget.small.Release(s.cfg.BodyMemoryBytes / 3)
	})
}
