package bus

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func filled(t interface{ Fatal(...any) }, traces, bodies [][]byte) *pack {
	p := newPack(time.Now())
	for i, body := range bodies {
		if err := p.add(traces[i], func(b []byte) ([]byte, error) { return append(b, body...), nil }); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestPackKeepsMessages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, maxPackMessages).Draw(t, "bodies")
		traces := make([][]byte, len(bodies))
		for i := range traces {
			traces[i] = rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "trace")
		}
		p := filled(t, traces, bodies)
		id, got, err := readPack(*p.buf)
		if err != nil || id != p.id || len(got) != len(bodies) {
			t.Fatalf("want %d messages of %x, got %d of %x, %v", len(bodies), p.id, len(got), id, err)
		}
		for i, m := range got {
			if m.err != nil || !bytes.Equal(m.body, bodies[i]) || !bytes.Equal(m.trace, traces[i]) {
				t.Fatalf("message %d: want %x, got %x, %v", i, bodies[i], m.body, m.err)
			}
		}
	})
}

// TestPackLosesOnlyTheDamagedMessage: one flipped bit in a body costs that message alone.
func TestPackLosesOnlyTheDamagedMessage(t *testing.T) {
	t.Parallel()
	p := filled(t, make([][]byte, 3), [][]byte{[]byte("first"), []byte("second"), []byte("third")})
	raw := bytes.Clone(*p.buf)
	raw[bytes.Index(raw, []byte("second"))] ^= 1
	_, got, err := readPack(raw)
	if err != nil || len(got) != 3 || got[0].err != nil || got[1].err == nil || got[2].err != nil {
		t.Errorf("want only the second damaged, got %+v, %v", got, err)
	}
}

func TestPackRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	p := filled(t, make([][]byte, 1), [][]byte{[]byte("kept")})
	err := p.add(nil, func(b []byte) ([]byte, error) { return append(b, make([]byte, maxMessageBytes+1)...), nil })
	if err == nil {
		t.Fatal("want an error")
	}
	if _, got, err := readPack(*p.buf); err != nil || len(got) != 1 || string(got[0].body) != "kept" {
		t.Errorf("want the pack as it was, got %v, %v", got, err)
	}
}

// FuzzReadPack: nothing makes it panic or return more than the bytes hold, and what reads without
// complaint is written again unchanged.
func FuzzReadPack(f *testing.F) {
	p := filled(f, [][]byte{[]byte("traceparent:x\n"), nil}, [][]byte{[]byte("one"), []byte("two")})
	f.Add(bytes.Clone(*p.buf))
	f.Add((*p.buf)[:packHead+3])
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, messages, err := readPack(raw)
		if err != nil {
			return
		}
		again, total := newPack(time.Now()), 0
		again.id = id
		copy((*again.buf)[5:], id[:])
		for _, m := range messages {
			total += len(m.body) + len(m.trace)
			if m.err != nil {
				return
			}
			if err := again.add(m.trace, func(b []byte) ([]byte, error) { return append(b, m.body...), nil }); err != nil {
				t.Fatal(err)
			}
		}
		if total > len(raw) {
			t.Errorf("want at most %d bytes, got %d", len(raw), total)
		}
		if !bytes.HasPrefix(raw, *again.buf) {
			t.Errorf("want the same pack again:\n%x\n%x", raw, *again.buf)
		}
	})
}

// FuzzDeadLetter: nothing makes the reader panic, and what reads survives a round trip.
func FuzzDeadLetter(f *testing.F) {
	d := DeadLetter{Queue: "jobs", Error: "bad", Body: []byte("a\nb")}
	raw, _ := d.AppendBinary(nil)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d, again DeadLetter
		if d.UnmarshalBinary(raw) != nil {
			return
		}
		text, err := d.AppendBinary(nil)
		if err != nil {
			return // a time outside of what JSON allows
		}
		if err := again.UnmarshalBinary(text); err != nil || again.Queue != d.Queue || !bytes.Equal(again.Body, d.Body) {
			t.Errorf("want %+v, got %+v, %v", d, again, err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	body := make([]byte, 12<<10)
	_, _ = rand.Read(body) // it never fails
	const count = 32
	b.Run("write", func(b *testing.B) {
		b.SetBytes(count * int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			p := newPack(time.Time{})
			for range count {
				if err := p.add(nil, func(b []byte) ([]byte, error) { return append(b, body...), nil }); err != nil {
					b.Fatal(err)
				}
			}
			p.finish(nil)
		}
	})
	b.Run("read", func(b *testing.B) {
		p := newPack(time.Time{})
		for range count {
			if err := p.add(nil, func(b []byte) ([]byte, error) { return append(b, body...), nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(*p.buf)))
		b.ReportAllocs()
		for b.Loop() {
			if _, got, err := readPack(*p.buf); err != nil || len(got) != count {
				b.Fatal(err)
			}
		}
	})
}
