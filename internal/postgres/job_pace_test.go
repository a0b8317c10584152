package postgres

import (
	"testing"
	"time"
)

// TestChunksHoldLocksBriefly plays a database that needs so long for each row, and wants chunks that
// hold their locks for about as long as they should, whatever it is.
func TestChunksHoldLocksBriefly(t *testing.T) {
	t.Parallel()
	for _, perRow := range []time.Duration{10 * time.Microsecond, 200 * time.Microsecond, time.Millisecond, 10 * time.Millisecond} {
		w := &jobWork{}
		var held time.Duration
		for range 20 {
			held = time.Duration(w.chunk(deleteEvents)) * perRow
			w.state.Cut = nextCut(w.state.Cut, held)
		}
		if held > chunkHeld || w.chunk(deleteEvents) < deleteEvents && 8*held < chunkHeld {
			t.Errorf("%s for a row: chunks of %d take %s", perRow, w.chunk(deleteEvents), held)
		}
	}
	if first := (&jobWork{}).chunk(deleteEvents); first != deleteEvents/firstCut || (&jobWork{state: jobState{Cut: maxCut}}).chunk(1) != 1 {
		t.Errorf("the first chunk has %d rows", first)
	}
}
