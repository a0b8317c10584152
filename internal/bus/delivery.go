package bus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// delivery is one pack in hand.
type delivery struct {
	msg       jetstream.Msg
	id        packID
	messages  []message
	bytes     int
	seq       uint64
	attempt   int    // deliveries so far, this one included, those that proved nothing excluded
	pending   uint64 // packs that waited behind it when it was sent
	first     time.Time
	forgiving *forgiven
}

// forgiven remembers deliveries that ended without the message being at fault, by stream
// sequence, so that an outage does not use up a message's retries. Packs that another replica
// finished stay in it, so it starts anew when it is full.
type forgiven struct {
	mu sync.Mutex
	n  map[uint64]int
}

// maxForgiven bounds the memory this takes to a few MiB.
const maxForgiven = 1 << 17

func (f *forgiven) add(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.n) >= maxForgiven {
		clear(f.n)
	}
	f.n[seq]++
}

func (f *forgiven) count(seq uint64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n[seq]
}

func (f *forgiven) forget(seq uint64) {
	f.mu.Lock()
	delete(f.n, seq)
	f.mu.Unlock()
}

func newDelivery(msg jetstream.Msg, f *forgiven) (*delivery, error) {
	d := &delivery{msg: msg, bytes: len(msg.Data()), attempt: 1, forgiving: f}
	if meta, err := msg.Metadata(); err == nil {
		d.seq, d.pending, d.first = meta.Sequence.Stream, meta.NumPending, meta.Timestamp
		d.attempt = max(1, int(meta.NumDelivered)-f.count(d.seq))
	}
	var err error
	d.id, d.messages, err = readPack(msg.Data())
	return d, err
}

// ack ends the pack: all of it is recorded or dead-lettered.
func (d *delivery) ack() error {
	d.forgiving.forget(d.seq)
	return d.msg.Ack()
}

// retry asks for the pack again after delay, counting the attempt against it.
func (d *delivery) retry(delay time.Duration) error { return d.msg.NakWithDelay(jitter(delay)) }

// release asks for the pack again after delay; the attempt does not count.
func (d *delivery) release(delay time.Duration) error {
	d.forgiving.add(d.seq)
	if delay <= 0 {
		return d.msg.Nak()
	}
	return d.msg.NakWithDelay(jitter(delay))
}

// jitter spreads d by a fifth either way.
func jitter(d time.Duration) time.Duration {
	if d < 5 {
		return d
	}
	return d - d/5 + time.Duration(rand.Int64N(int64(2*d/5)))
}

// step is the n-th delay of a ladder, its last one when n is past the end. n counts from 1.
func step(ladder []time.Duration, n int) time.Duration {
	return ladder[min(max(n, 1), len(ladder))-1]
}

// keepAlive tells the broker every beat that ds are being worked on, until the returned function
// is called.
func keepAlive(ds []*delivery, beat time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, d := range ds {
					_ = d.msg.InProgress() // the next beat or the redelivery makes up for a lost one
				}
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
