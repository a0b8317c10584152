package ingest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tocsin-dev/tocsin/internal/disk"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// guardEvery is how often the disk is measured; at a GB a second less than half of the default
// reserve is written meanwhile.
const guardEvery = 200 * time.Millisecond

// guard refuses what comes while the disk that it would go to is nearly full. A full disk stops
// queue, spool and database at once and can only be mended by hand; clients that are told to wait
// come back. It is safe for concurrent use.
type guard struct {
	dir     string
	reserve int64 // bytes that stay free
	low     atomic.Bool
}

// look measures the disk. An error leaves what was known.
func (g *guard) look(ctx context.Context) error {
	room, err := disk.At(g.dir)
	if err != nil {
		return err
	}
	if low := room.Free < g.reserve; low != g.low.Swap(low) {
		if low {
			slog.ErrorContext(ctx, "the disk is nearly full; nothing is accepted until there is room", "free_bytes", room.Free, "reserve_bytes", g.reserve)
		} else {
			slog.InfoContext(ctx, "there is room on the disk again", "free_bytes", room.Free)
		}
	}
	return nil
}

// errDisk answers while the disk is nearly full.
var errDisk = fault.New(fault.Limited, "there is no room left to keep events").RetryAfter(fullWait)

// check returns errDisk while the disk is nearly full.
func (g *guard) check() error {
	if g.low.Load() {
		return errDisk
	}
	return nil
}
