package event_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// TestADecoderReadsAsDecodeDoes: memory that another event has used changes nothing, and what is
// copied from an event outlives it.
func TestADecoderReadsAsDecodeDoes(t *testing.T) {
	t.Parallel()
	payloads := golden.Files(t, "testdata/recorded/*.json")
	for name, stored := range golden.Files(t, "testdata/stored/*.json") {
		payloads["stored "+name] = stored
	}
	payloads["typical"] = typicalEvent()
	payloads["empty"] = []byte(`{}`)
	payloads["cut short"] = typicalEvent()[:5000]
	payloads["no object"] = []byte(`[{"message":"x"}]`)

	type copied struct {
		tags     []event.Pair
		metadata event.Metadata
	}
	texts := func(e *event.Event) copied { return copied{slices.Clone(e.Tags), e.Metadata()} }
	want, got := make(map[string]copied), make(map[string]copied)
	var d event.Decoder
	for range 3 {
		for _, name := range slices.Sorted(maps.Keys(payloads)) {
			fresh, err := event.Decode(payloads[name])
			reused, err2 := d.Decode(payloads[name])
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%s: %v, %v", name, err, err2)
			}
			if err != nil {
				continue
			}
			if diff := cmp.Diff(fresh, reused, sameEvent); diff != "" {
				t.Errorf("%s as read (-fresh +reused):\n%s", name, diff)
			}
			fresh.Normalize(delivery())
			reused.Normalize(delivery())
			if diff := cmp.Diff(fresh, reused, sameEvent); diff != "" {
				t.Errorf("%s as normalized (-fresh +reused):\n%s", name, diff)
			}
			if a, b := fresh.AppendJSON(nil), reused.AppendJSON(nil); string(a) != string(b) {
				t.Errorf("%s as stored:\n%s\n%s", name, a, b)
			}
			if diff := cmp.Diff(fresh.Properties(), reused.AppendProperties([]event.Pair{{Key: "before"}})[1:]); diff != "" {
				t.Errorf("properties of %s (-fresh +reused):\n%s", name, diff)
			}
			want[name], got[name] = texts(fresh), texts(reused)
		}
	}
	d.Reset()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(copied{})); diff != "" {
		t.Errorf("what was copied (-fresh +reused):\n%s", diff)
	}
}

// TestADecoderNeedsNoMemoryForMore: once an event like the next was read, its lists need no room.
func TestADecoderNeedsNoMemoryForMore(t *testing.T) {
	payload := typicalEvent()
	var d event.Decoder
	read := func(decode func([]byte) (*event.Event, error)) float64 {
		return testing.AllocsPerRun(20, func() {
			if _, err := decode(payload); err != nil {
				t.Fatal(err)
			}
		})
	}
	fresh, reused := read(event.Decode), read(d.Decode)
	if reused > fresh*3/4 { // about half; the race detector takes some scratch away
		t.Errorf("%v allocations into used memory, %v into new", reused, fresh)
	}
}
