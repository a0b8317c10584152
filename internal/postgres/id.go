package postgres

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// idEpoch is the moment that ids count from: 2026-01-01 UTC, in Unix milliseconds.
const idEpoch = 1767225600000

// idRandomBits follow the 41 bits of milliseconds, which last until 2095.
const idRandomBits = 22

var lastID atomic.Int64

// NewID returns a positive id that is greater than every one before it in this process, grows
// with time, and is unlikely to be made by another process: 41 bits of milliseconds and 22 random
// ones. Tables still enforce that it is unique.
func NewID() int64 {
	id := idAt(time.Now(), rand.Int64N(1<<idRandomBits))
	for {
		last := lastID.Load()
		if id <= last {
			id = last + 1
		}
		if lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}

func idAt(now time.Time, random int64) int64 { return (now.UnixMilli()-idEpoch)<<idRandomBits | random }
