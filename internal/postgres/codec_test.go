package postgres

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// FuzzBlock: what payloads go in come out, whatever they are cut from.
func FuzzBlock(f *testing.F) {
	f.Add([]byte(`{"event_id":"1"}{"event_id":"2"}`), uint8(2))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, raw []byte, parts uint8) {
		var payloads [][]byte
		for n := int(parts); n > 0; n-- {
			size := len(raw) / n
			payloads, raw = append(payloads, raw[:size]), raw[size:]
		}
		block, _ := appendBlock(nil, nil, payloads)
		got, err := readBlock(block)
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
	block, _ := appendBlock(nil, nil, [][]byte{[]byte("one"), []byte("three")})
	f.Add(block)
	f.Add([]byte{blockVersion, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		payloads, err := readBlock(b)
		total := 0
		for _, p := range payloads {
			total += len(p)
		}
		if err == nil && (len(payloads) > blockReadCount || total > blockReadBytes) {
			t.Errorf("a block of %d bytes became %d payloads of %d bytes", len(b), len(payloads), total)
		}
	})
}

// FuzzReadFacts: damaged facts are refused, and what can be read is written the same again.
func FuzzReadFacts(f *testing.F) {
	facts := newFacts()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	facts.add(7, &Record{OccurredAt: at, Release: "1", Environment: "e", UserKey: "id:1", Tags: []event.Pair{{Key: "k", Value: "v"}}}, true)
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
	return []any{facts{}, issueHour{}, issueText{}, issueTag{}, issueUser{}, span{}, versionFacts{}}
}

func TestMergedFactsAreTheFactsOfAllEvents(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	whole, merged := newFacts(), newFacts()
	for i := range 60 {
		r := &Record{OccurredAt: at.Add(time.Duration(i*i%97) * time.Minute), Release: fmt.Sprint(i % 3), Environment: strings.Repeat("e", i%2),
			UserKey: fmt.Sprint(i % 5), Tags: []event.Pair{{Key: "k", Value: fmt.Sprint(i % 4)}}}
		whole.add(int64(i%2), r, i < 2)
		part := newFacts()
		part.add(int64(i%2), r, i < 2)
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
