package ingest

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	smallBody  = 1 << 20         // bytes of every body that come from the part for small bodies
	budgetWait = 1 * time.Second // how long a small body waits for memory before it is refused
)

// budget bounds the memory of all request bodies together. The first MiB of a body comes from a
// part of its own, so that large uploads cannot keep events out.
type budget struct {
	small, large *semaphore.Weighted
}

func newBudget(total int64) *budget {
	return &budget{small: semaphore.NewWeighted(total / 3), large: semaphore.NewWeighted(total - total/3)}
}

// errMemory answers when there is no memory for a body.
// Rule: getsentry/relay relay-server/src/endpoints/common.rs (QueueFailed)
var errMemory = fault.New(fault.Unavailable, "failed to queue envelope").RetryAfter(time.Second)

// grow takes what a body needs to grow from one size to another. fault.Unavailable when the
// budget is spent.
func (b *budget) grow(ctx context.Context, from, to int64) error {
	small, large := min(to, smallBody)-min(from, smallBody), max(to-smallBody, 0)-max(from-smallBody, 0)
	if small > 0 && !b.small.TryAcquire(small) {
		wait, cancel := context.WithTimeout(ctx, budgetWait)
		defer cancel()
		if b.small.Acquire(wait, small) != nil {
			return errMemory
		}
	}
	if large > 0 && !b.large.TryAcquire(large) {
		b.small.Release(small)
		return errMemory
	}
	return nil
}

// release gives back all of a body of the given size.
func (b *budget) release(size int64) {
	b.small.Release(min(size, smallBody))
	if size > smallBody {
		b.large.Release(size - smallBody)
	}
}
