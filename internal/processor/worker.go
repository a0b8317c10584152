package processor

import (
	"slices"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// worker is the memory of one goroutine that decodes. What a record keeps of it stays in use until
// the batch is recorded; an event lasts until the next one is read.
type worker struct {
	decoder  event.Decoder
	payloads []byte       // of records, one behind the other
	pairs    []event.Pair // of records, likewise
}

var idle = sync.Pool{New: func() any { return new(worker) }}

// What a worker keeps for the next batch at most.
const (
	maxPayloadBytes = 8 << 20
	maxPairs        = 128 << 10
)

// newWorker returns one with room for payloads of so many bytes.
func newWorker(size int) *worker {
	w := idle.Get().(*worker)
	w.payloads = slices.Grow(w.payloads, size)
	return w
}

// release takes the memory back. No record made with it may be used afterwards.
func (w *worker) release() {
	if cap(w.payloads) > maxPayloadBytes || cap(w.pairs) > maxPairs {
		return
	}
	w.decoder.Reset()
	clear(w.pairs)
	w.payloads, w.pairs = w.payloads[:0], w.pairs[:0]
	idle.Put(w)
}

func (w *worker) payload(ev *event.Event) []byte {
	start := len(w.payloads)
	w.payloads = ev.AppendJSON(w.payloads)
	return slices.Clip(w.payloads[start:])
}

func (w *worker) tags(ev *event.Event) []event.Pair {
	start := len(w.pairs)
	w.pairs = append(w.pairs, ev.Tags...)
	return slices.Clip(w.pairs[start:])
}

func (w *worker) properties(ev *event.Event) []event.Pair {
	start := len(w.pairs)
	w.pairs = ev.AppendProperties(w.pairs)
	return slices.Clip(w.pairs[start:])
}
