package ingest

import (
	"sync/atomic"
	"time"
)

// receiptClock stamps requests with the time they came, no two with the same microsecond. The time
// of receipt is what later tells a delivery that the queue repeats from an event that the client
// sent twice: with a stamp of its own, each of two requests that carry the same event and come
// together gets its outcome.
type receiptClock struct {
	last atomic.Int64 // microseconds since 1970
}

// now is the present in UTC, or the first free microsecond after it.
func (c *receiptClock) now() time.Time {
	for {
		last := c.last.Load()
		at := max(time.Now().UnixMicro(), last+1)
		if c.last.CompareAndSwap(last, at) {
			return time.UnixMicro(at).UTC()
		}
	}
}
