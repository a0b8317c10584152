package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// errorer is what both testing.TB and rapid.T offer.
type errorer interface {
	Errorf(format string, args ...any)
}

// sameEvent compares values by their text, which is much faster than byte by byte.
var sameEvent = cmp.Comparer(func(a, b event.Value) bool { return bytes.Equal(a, b) })

// holdLaws checks what is true of every payload: storing and reading back changes nothing, and
// normalizing again changes nothing. It returns the stored form.
func holdLaws(t errorer, payload []byte) []byte {
	e, err := event.Decode(payload)
	if err != nil {
		return nil
	}
	first := e.AppendJSON(nil)
	if !json.Valid(first) {
		t.Errorf("decoded form is not JSON: %.500q", first)
	}
	e.Normalize(delivery())
	once := e.AppendJSON(nil)
	again, err := event.Decode(once)
	if err != nil {
		t.Errorf("stored form is refused: %v\n%s", err, once)
		return once
	}
	if diff := cmp.Diff(e, again, sameEvent); diff != "" {
		t.Errorf("round trip of %.300q (-stored +read):\n%s", payload, diff)
	}
	if twice := again.AppendJSON(nil); !bytes.Equal(once, twice) {
		t.Errorf("round trip of %.300q:\n%s\n%s", payload, once, twice)
	}
	again.Normalize(delivery())
	if diff := cmp.Diff(e, again, sameEvent); diff != "" {
		t.Errorf("normalized twice %.300q (-once +twice):\n%s", payload, diff)
	}
	return once
}

func TestRecordedEvents(t *testing.T) {
	t.Parallel()
	for name, payload := range golden.Files(t, "testdata/recorded/*.json") {
		once := holdLaws(t, payload)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, once, "", " "); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pretty.WriteByte('\n')
		golden.Check(t, "stored/"+name, pretty.Bytes())
	}
}

func TestLawsOfTypicalEvent(t *testing.T) {
	t.Parallel()
	holdLaws(t, typicalEvent())
}

// TestLawsOfAnyShape builds documents of the protocol's names with values of any type in any place.
func TestLawsOfAnyShape(t *testing.T) {
	t.Parallel()
	names := strings.Fields("exception values type value mechanism stacktrace frames function filename abs_path lineno vars data " +
		"tags extra user id email ip_address request url headers cookies query_string method env REMOTE_ADDR contexts os browser trace trace_id name version " +
		"raw_description logentry message formatted params breadcrumbs level timestamp category culprit transaction release dist environment logger server_name site " +
		"fingerprint sdk settings infer_ip errors _meta rem err len val debug_meta modules threads measurements csp nel platform checksum handled exception_id " +
		"in_app pre_context context_line geo instruction_addr orig_in_app a a.b é " +
		"spans start_timestamp transaction_info source original response data status client_os runtime device model family signal errno mach_exception number " +
		"posix_signal relevant_address help_link build unit lcp blocked_uri document_uri violated_directive effective_directive hpkp expectct hostname port")
	names = append(names, "", ".", "x y", "User-Agent", "Cookie", "Set-Cookie", "app.start.cold", "device.class")
	scalar := rapid.SampledFrom([]string{"null", "true", "false", "0", "-1", "7", "1.5", "1e400", "1795244703.123456", `""`, `"x"`, `"a: b"`, `"\u0000"`, `"\ud800"`,
		`"{{auto}}"`, `"error"`, `"javascript"`, `"transaction"`, `"2026-11-21T07:00:00Z"`, `"http://a/b?c=d#e"`, `"a=b&c=d"`, `"a=b; c"`, `"%s {}"`, `"{\"k\":[1, 2]}"`, `"latest"`, `"0x1F"`, `"Linux"`, `"Linux 5.10.0"`, `"http://göö.example/"`, `"unknown_error"`, `11`,
		`"` + strings.Repeat("long ", 300) + `"`, `"` + strings.Repeat(`é\n`, 9000) + `"`, `"app\nline"`})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			kind := rapid.IntRange(0, 9).Draw(t, "kind")
			if depth == 0 || kind < 4 {
				return scalar.Draw(t, "scalar")
			}
			parts := make([]string, rapid.IntRange(0, 5).Draw(t, "size"))
			for i := range parts {
				parts[i] = value(depth-1).Draw(t, "part")
				if kind >= 6 {
					name, _ := json.Marshal(rapid.SampledFrom(names).Draw(t, "name"))
					parts[i] = string(name) + ": " + parts[i]
				}
			}
			if kind >= 6 {
				return "{" + strings.Join(parts, " ,") + "}"
			}
			return "[" + strings.Join(parts, ", ") + "]"
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]string, rapid.IntRange(0, 8).Draw(t, "members"))
		for i := range parts {
			name, _ := json.Marshal(rapid.SampledFrom(names).Draw(t, "name"))
			parts[i] = string(name) + ":" + value(6).Draw(t, "value")
		}
		holdLaws(t, []byte("{"+strings.Join(parts, ",")+"}"))
	})
}

// FuzzDecode: no input breaks the reader, and what is read obeys the laws.
func FuzzDecode(f *testing.F) {
	golden.Seed(f, "testdata/recorded/*.json")
	golden.Seed(f, "testdata/stored/*.json")
	f.Add([]byte(`{"csp":{"effective_directive":"img-src","blocked_uri":"http://a/b","document_uri":"http://ä.example/"},"contexts":{"os":{"raw_description":"Windows NT 10.0.19045"}}}`))
	f.Add([]byte(`{"type":"transaction","timestamp":1,"start_timestamp":0.5,"spans":[{"timestamp":1,"op":"x"}],"measurements":{"app.start.cold":{"value":5,"unit":"s"}}}`))
	f.Add([]byte(`{"exception":[{"type":"A","mechanism":{"posix_signal":{"signal":11}}}],"contexts":{"os":{"name":"Linux"},"response":{"headers":{"Set-Cookie":"a=b"},"data":"{}"}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		// A thousand expressions over each mutated agent would leave no time for the reader.
		holdLaws(t, bytes.ReplaceAll(payload, []byte("User-Agent"), []byte("X-Agent")))
	})
}

// FuzzRepair: what the repair of a document with NaN lets through obeys the laws.
func FuzzRepair(f *testing.F) {
	f.Add([]byte(`{"extra":{"a":NaN,"b":-Infinity}}`))
	f.Add([]byte("\uFEFF{\"message\":\"a\x00\tb\"}"))
	f.Fuzz(func(t *testing.T, part []byte) {
		holdLaws(t, append(append([]byte(`{"n":NaN,"extra":`), part...), '}'))
	})
}

// FuzzRawUnmarshal: no queue message breaks the reader.
func FuzzRawUnmarshal(f *testing.F) {
	raw := event.Raw{Project: 7, KeyID: 1, ReceivedAt: delivery().ReceivedAt, ClientIP: delivery().ClientIP, UserAgent: "ua", Payload: []byte("{}")}
	seed, err := raw.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again event.Raw
		if r.UnmarshalBinary(b) != nil {
			return
		}
		out, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(out); err != nil || cmp.Diff(r, again, cmpopts.EquateEmpty(), cmpopts.EquateComparable(r.ClientIP)) != "" {
			t.Errorf("round trip of %x: %v", b, err)
		}
	})
}
