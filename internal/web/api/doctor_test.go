package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

const v1 = "/api/v1/projects/default/shop/"

type diagnosis struct {
	Reason, Text, Command string
}

// doctor is what is said of the last frame of an event.
func (w *world) doctor(e event.ID) diagnosis {
	w.t.Helper()
	var answer struct{ Frames []diagnosis }
	if err := json.Unmarshal(w.want(200, "GET", v1+"events/"+e.String()+"/source-maps/").body, &answer); err != nil || len(answer.Frames) == 0 {
		w.t.Fatalf("%v %+v", err, answer)
	}
	return answer.Frames[len(answer.Frames)-1]
}

// oneFileBundle is a bundle of a script and a map at an address.
func oneFileBundle(t testing.TB, url, debugID string, mapped []byte) []byte {
	headers := map[string]string{"Sourcemap": path.Base(url) + ".map"}
	if debugID != "" {
		headers["debug-id"] = debugID
	}
	files := map[string]any{"files/a": map[string]any{"url": url, "type": "minified_source", "headers": headers}}
	content := map[string][]byte{"files/a": []byte("x()\n//" + url + debugID + fmt.Sprint(len(mapped)))}
	if mapped != nil {
		files["files/b"] = map[string]any{"url": url + ".map", "type": "source_map", "headers": headers}
		content["files/b"] = mapped
	}
	return bundle(t, map[string]any{"files": files}, content)
}

// TestTheDoctorNamesTheOneReason uploads what is wrong in one way each, and reads what is said.
func TestTheDoctorNamesTheOneReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const mine, other = "d2977f4a-f610-5dd3-8a7a-91a4bd7b18ee", "00000000-1111-5222-8333-444444444444"
	good := readFile(t, "../../sourcemap/testdata/app.min.js.map")
	for n, c := range []struct {
		reason, url, debugID, version string
		mapped                        []byte
		sent                          string // debug id of the event
		command                       string
	}{
		{"no_map", "", "", "", nil, "", "sourcemaps inject ./dist && sentry-cli sourcemaps upload --org default --project shop --release shop@2.4.1 --dist web-87 --url-prefix '~/assets/' ./dist"},
		{"no_map", "", "", "", nil, mine, "sentry-cli sourcemaps upload --org default --project shop ./dist"},
		{"wrong_debug_id", "~/assets/case%d.js", other, "", good, mine, "sourcemaps inject ./dist"},
		{"wrong_debug_id", "~/assets/case%d.js", other, "", good, "", "--url-prefix '~/assets/'"},
		{"wrong_release", "~/assets/case%d.js", "", `,"version":"shop@2.4.0","dist":"web-87"`, good, "", "--release shop@2.4.1 --dist web-87"},
		{"wrong_dist", "~/assets/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-86"`, good, "", "--dist web-87"},
		{"wrong_url", "~/static/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-87"`, good, "", "--url-prefix '~/assets/'"},
		{"unreadable_map", "~/assets/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-87"`, []byte("<!doctype html>"), "", "--validate"},
		{"no_map_for_script", "~/assets/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-87"`, nil, "", "./dist"},
		{"wrong_place", "~/assets/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-87"`, []byte(`{"version":3,"sources":["a"],"mappings":"AAAA"}`), "", "inject"},
		{"too_big", "~/assets/case%d.js", "", `,"version":"shop@2.4.1","dist":"web-87"`, bytes.Repeat([]byte(" "), 65<<20), "", "TOCSIN_SOURCE_MAP_MB"},
	} {
		name := fmt.Sprintf("case%d.js", n)
		w.record(1, name, 1, func(doc map[string]any) {
			doc["platform"], doc["release"], doc["dist"] = "javascript", "shop@2.4.1", "web-87"
			doc["exception"] = map[string]any{"values": []any{map[string]any{"type": "Error", "value": name, "stacktrace": map[string]any{"frames": []any{
				map[string]any{"function": "o", "abs_path": "http://localhost:9200/assets/" + name, "lineno": 3, "colno": 405}}}}}}
			if c.sent != "" {
				doc["debug_meta"] = map[string]any{"images": []any{map[string]any{"type": "sourcemap", "code_file": "http://localhost:9200/assets/" + name, "debug_id": c.sent}}}
			}
		})
		if c.url != "" {
			if state, detail := w.uploadBundle(oneFileBundle(t, fmt.Sprintf(c.url, n), c.debugID, c.mapped), c.version); state != "ok" {
				t.Fatalf("%s: %s %s", c.reason, state, detail)
			}
		}
		e := eventID("1"+name, 0)
		if got := w.doctor(e); got.Reason != c.reason || !strings.Contains(got.Command, c.command) || got.Text == "" {
			t.Errorf("case %d: want %s %q, got %+v", n, c.reason, c.command, got)
		}
		w.want(200, "GET", proj+"events/"+e.String()+"/source-map-debug-blue-thunder-edition/")
	}
	e := w.minifiedEvent("doctor")
	w.uploadBundle(shopBundle(t), `,"version":"shop@2.4.1","dist":"web-87"`)
	if got := w.doctor(e); got.Reason != "mapped" {
		t.Errorf("a readable event: %+v", got)
	}
	for body, want := range map[string]string{
		`{"frame":"    at o.greeting (http://localhost:9200/assets/app.min.js:3:405)","release":"shop@2.4.1","dist":"web-87"}`: `"function":"greeting"`,
		`{"frame":"http://cdn.example.org/assets/app.min.js:3:405","debugId":"` + mine + `"}`:                                  `cart.ts`,
		`{"url":"http://localhost:9200/assets/app.min.js","line":3,"column":405,"release":"shop@9"}`:                           `wrong_release`,
	} {
		if got := string(w.want(200, "POST", v1+"source-maps/check/", body).body); !strings.Contains(got, want) {
			t.Errorf("%s: want %s in %s", body, want, got)
		}
	}
	w.want(400, "POST", v1+"source-maps/check/", `{"frame":"hello"}`)
	w.want(400, "POST", v1+"source-maps/check/", `{}`)
	w.want(400, "POST", v1+"source-maps/check/", `{"url":"a.js","debugId":"x"}`)
}

func TestDebugFilesAreKeptByTheirBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const id = "11111111-2222-5333-8444-555555555555"
	mapping := []byte("# {\"id\":\"com.android.tools.r8.mapping\"}\norg.shop.Cart -> a.b:\n    1:4:int total(int):20:23 -> a\n    5:5:int org.shop.Pricing.rate(int):7:7 -> a\n    5:5:int total(int):24 -> a\n")
	w.record(1, "jvm", 1, func(doc map[string]any) {
		doc["platform"] = "java"
		doc["debug_meta"] = map[string]any{"images": []any{map[string]any{"type": "proguard", "uuid": id}}}
		doc["exception"] = map[string]any{"values": []any{map[string]any{"type": "b", "module": "a", "value": "jvm", "stacktrace": map[string]any{"frames": []any{
			map[string]any{"module": "java.lang.Thread", "function": "run", "lineno": 1}, map[string]any{"module": "a.b", "function": "a", "lineno": 5}}}}}}
	})
	assembleFiles := func(chunks string) string {
		return string(w.want(200, "POST", proj+"files/difs/assemble/", fmt.Sprintf(`{%q:{"name":"/proguard/%s.txt","debug_id":%q,"chunks":%s}}`, sumOf(mapping), id, id, chunks)).body)
	}
	if got := assembleFiles(fmt.Sprintf("[%q]", sumOf(mapping))); !strings.Contains(got, "not_found") {
		t.Errorf("before the chunk: %s", got)
	}
	form, contentType := chunkForm(t, "file_gzip", mapping)
	w.wantWith(200, "POST", org+"chunk-upload/", form, "Content-Type", contentType)
	for _, chunks := range []string{fmt.Sprintf("[%q]", sumOf(mapping)), "[]"} {
		if got := assembleFiles(chunks); !strings.Contains(got, `"state":"ok"`) || !strings.Contains(got, id) {
			t.Errorf("%s", got)
		}
	}
	body := string(w.want(200, "GET", proj+"events/"+eventID("1jvm", 0).String()+"/").body)
	for _, want := range []string{`"function":"rate"`, `"module":"org.shop.Pricing"`, `"function":"total"`, `"type":"Cart"`, `"module":"java.lang.Thread"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the event lacks %s: %s", want, body)
		}
	}
	var list []struct{ ID string }
	if err := json.Unmarshal(w.want(200, "GET", proj+"files/dsyms/?query="+id+"&file_formats=proguard").body, &list); err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	if got := w.want(200, "GET", proj+"files/dsyms/?id="+list[0].ID).body; !bytes.Equal(got, mapping) {
		t.Errorf("downloaded %q", got)
	}
	if got := string(w.want(200, "GET", proj+"files/dsyms/unknown/?checksums="+sumOf(mapping)+"&checksums="+sumOf(nil)).body); got != `{"missing":["`+sumOf(nil)+`"]}` {
		t.Errorf("unknown: %s", got)
	}
	w.want(200, "POST", proj+"files/dsyms/associate/", `{}`)
	w.want(201, "POST", proj+"files/proguard-artifact-releases/", fmt.Sprintf(`{"release_name":"app@1","proguard_uuid":%q}`, id))
	w.want(404, "POST", proj+"files/proguard-artifact-releases/", `{"release_name":"app@1","proguard_uuid":"21111111-2222-5333-8444-555555555555"}`)
	w.want(400, "POST", proj+"files/proguard-artifact-releases/", `{}`)
	w.want(204, "DELETE", proj+"files/dsyms/?id="+list[0].ID)
	w.want(404, "DELETE", proj+"files/dsyms/?id="+list[0].ID)
	w.want(400, "POST", proj+"files/difs/assemble/", `{"x":{"chunks":[]}}`)
}
