package postgres

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// readBlock reads a block as Store.payloads does, with at most the one dictionary.
func readBlock(b []byte, e *blockEncoder, dec *zstd.Decoder) ([][]byte, error) {
	h, err := readBlockHead(b)
	if err != nil {
		return nil, err
	}
	if h.dictionary == 0 {
		return h.payloads(codec().dec)
	}
	if e == nil || h.dictionary != e.id {
		return nil, errDictionary
	}
	return h.payloads(dec)
}

func withDictionary(t testing.TB, content []byte) (*blockEncoder, *zstd.Decoder) {
	t.Helper()
	d := &dictionary{id: 1 << 62, content: content}
	enc, err := d.encoder()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := d.decoder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dec.Close)
	return &blockEncoder{dictionary: d, enc: enc}, dec
}

// FuzzBlock: what payloads go in come out, whatever they are cut from, with and without a
// dictionary.
func FuzzBlock(f *testing.F) {
	f.Add([]byte(`{"event_id":"1"}{"event_id":"2"}`), uint8(2), []byte(`{"event_id":"0"}`))
	f.Add([]byte{}, uint8(0), []byte{})
	f.Add(bytes.Repeat([]byte("0123456789abcdef!"), 9000), uint8(3), bytes.Repeat([]byte("fedcba9876543210-"), 60_000))
	f.Fuzz(func(t *testing.T, raw []byte, parts uint8, content []byte) {
		var payloads [][]byte
		for n := int(parts); n > 0; n-- {
			size := len(raw) / n
			payloads, raw = append(payloads, raw[:size]), raw[size:]
		}
		e, dec := (*blockEncoder)(nil), (*zstd.Decoder)(nil)
		if len(content) > 0 {
			e, dec = withDictionary(t, content)
		}
		block, _ := appendBlock(nil, nil, payloads, e)
		got, err := readBlock(block, e, dec)
		if err != nil || len(got) != len(payloads) {
			t.Fatalf("want %d payloads, got %d, %v", len(payloads), len(got), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], payloads[i]) {
				t.Errorf("payload %d: want %q, got %q", i, payloads[i], got[i])
			}
		}
	})
}

// FuzzReadBlock: damaged blocks are refused in bounded time and memory.
func FuzzReadBlock(f *testing.F) {
	e, dec := withDictionary(f, []byte("one two three four"))
	payloads := [][]byte{[]byte("one"), []byte("three two one four")}
	plain, _ := appendBlock(nil, nil, payloads, nil)
	made, _ := appendBlock(nil, nil, payloads, e)
	f.Add(plain)
	f.Add(made)
	f.Add([]byte{blockVersion1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{blockVersion, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		payloads, err := readBlock(b, e, dec)
		total := 0
		for _, p := range payloads {
			total += len(p)
		}
		if err == nil && (len(payloads) > blockReadCount || total > blockReadBytes) {
			t.Errorf("a block of %d bytes became %d payloads of %d bytes", len(b), len(payloads), total)
		}
	})
}

func TestBlocksOfTheFirstVersionAreRead(t *testing.T) {
	t.Parallel()
	block := codec().enc.EncodeAll([]byte("onethree"), []byte{blockVersion1, 2, 3, 5})
	got, err := readBlock(block, nil, nil)
	if diff := cmp.Diff([][]byte{[]byte("one"), []byte("three")}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestBlocksBeyondTheWindowAreRead: payloads and dictionary together are larger than what an
// encoder looks back over.
func TestBlocksBeyondTheWindowAreRead(t *testing.T) {
	t.Parallel()
	noise := make([]byte, dictionaryBytes)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	e, dec := withDictionary(t, noise)
	payloads := [][]byte{noise, bytes.Repeat([]byte("x"), dictionaryWindow), noise[:1000], noise}
	block, _ := appendBlock(nil, nil, payloads, e)
	got, err := readBlock(block, e, dec)
	if err != nil || len(got) != len(payloads) {
		t.Fatalf("want %d payloads, got %d, %v", len(payloads), len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], payloads[i]) {
			t.Errorf("payload %d differs", i)
		}
	}
}

// FuzzReadFacts: damaged facts are refused, and what can be read is written the same again.
func FuzzReadFacts(f *testing.F) {
	facts := newFacts()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	facts.add(7, &Record{OccurredAt: at, Release: "1", Environment: "e", UserKey: "id:1", Tags: []event.Pair{{Key: "k", Value: "v"}}, Hashes: [][16]byte{{1}}}, true, true)
	f.Add(facts.append(nil))
	f.Add([]byte{factsVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := readFacts(b)
		if err != nil {
			return
		}
		again, err := readFacts(first.append(nil))
		if diff := cmp.Diff(first, again, cmp.AllowUnexported(factTypes()...)); err != nil || diff != "" {
			t.Errorf("round trip: %v (-first +again):\n%s", err, diff)
		}
	})
}

func factTypes() []any {
	return []any{facts{}, issueHour{}, issueText{}, issueTag{}, hashFacts{}, span{}, versionFacts{}}
}

func TestMergedFactsAreTheFactsOfAllEvents(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	whole, merged := newFacts(), newFacts()
	for i := range 60 {
		r := &Record{OccurredAt: at.Add(time.Duration(i*i%97) * time.Minute), Release: fmt.Sprint(i % 3), Environment: strings.Repeat("e", i%2),
			UserKey: fmt.Sprint(i % 5), Tags: []event.Pair{{Key: "k", Value: fmt.Sprint(i % 4)}}, Hashes: [][16]byte{{byte(i % 2)}}}
		whole.add(int64(i%2), r, i < 2, i%3 == 0)
		part := newFacts()
		part.add(int64(i%2), r, i < 2, i%3 == 0)
		read, err := readFacts(part.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		merged.merge(read)
	}
	if diff := cmp.Diff(whole, merged, cmp.AllowUnexported(factTypes()...)); diff != "" {
		t.Errorf("(-whole +merged):\n%s", diff)
	}
}

func TestIDsGrowAndAreNotRepeated(t *testing.T) {
	t.Parallel()
	last := int64(0)
	for range 100_000 {
		id := NewID()
		if id <= last {
			t.Fatalf("want more than %d, got %d", last, id)
		}
		last = id
	}
	if far := idAt(time.Date(2095, 1, 1, 0, 0, 0, 0, time.UTC), 1); far <= last {
		t.Errorf("want a later id in 2095, got %d", far)
	}
}

func TestCleanCutsAtACharacter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"plain": "plain", "a\x00b": "ab", "\xff": "\uFFFD", "üüüü": "üü", "12345678": "12345"} {
		if got := clean(in, 5); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

// TestPropertiesReadWholeOrNotAtAll: what waits to be folded comes back, and nothing of it when it is damaged.
func TestPropertiesReadWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	list := []property{
		{issueRef: issueRef{1, 7}, Pair: event.Pair{Key: "os.name", Value: "Linux"}},
		{issueRef: issueRef{1, 9}, Pair: event.Pair{Key: "trace", Value: "Linux"}},
		{issueRef: issueRef{2, 9}, Pair: event.Pair{Key: "trace", Value: "b"}},
	}
	if got := propertiesOf(3, list); got != nil {
		t.Errorf("of a project without any: %x", got)
	}
	b := propertiesOf(1, list)
	got, err := readProperties(b)
	if want := []issueTag{{7, "os.name", "Linux"}, {9, "trace", "Linux"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("want %v, got %v, %v", want, got, err)
	}
	for n := range b {
		if got, err := readProperties(b[:n]); err == nil || got != nil {
			t.Errorf("the first %d bytes: %v, %v", n, got, err)
		}
	}
}
