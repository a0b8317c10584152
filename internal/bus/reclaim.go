package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Packs count as left behind when reclaimLooks looks, reclaimEvery apart, all find them unacknowledged
	// and nobody who asks for more.
	reclaimLooks = 5
	reclaimEvery = 150 * time.Millisecond
	reclaimWait  = 5 * time.Second
)

// reclaim asks again for the packs that this program had fetched when it died, which the broker would
// otherwise keep for ackWait. Another replica that is at work is noticed and keeps its packs; should that be
// misjudged, they are worked on twice, which changes nothing.
func (s *source) reclaim(ctx context.Context) error {
	if !s.inHand.died {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reclaimWait)
	defer cancel()
	consumer, err := s.c.js.Consumer(ctx, queueStream(s.queue), queueConsumer(s.queue, s.c.service))
	if err != nil {
		return translate(err, "find the consumer of queue %s", s.queue)
	}
	first := consumer.CachedInfo()
	for look, info := 1, first; ; look++ {
		atWork := info.NumWaiting > 0 || info.Delivered.Consumer != first.Delivered.Consumer || info.NumAckPending != first.NumAckPending
		if atWork || info.NumAckPending == 0 {
			return nil
		}
		if look == reclaimLooks {
			return s.askAgain(info)
		}
		select {
		case <-ctx.Done():
			return nil // ackWait will do
		case <-time.After(reclaimEvery):
		}
		if info, err = consumer.Info(ctx); err != nil {
			return translate(err, "look at the consumer of queue %s", s.queue)
		}
	}
}

// askAgain tells the broker that the latest packs that it delivered failed; it passes over those that were
// acknowledged. Packs that wait for their retry longer ago than that keep waiting.
//
// Rule: nats-io/nats-architecture-and-design adr/ADR-15.md (acknowledgement subjects)
func (s *source) askAgain(info *jetstream.ConsumerInfo) error {
	from := info.AckFloor.Stream + 1
	if most := 4 * uint64(info.Config.MaxAckPending); info.Delivered.Stream > most {
		from = max(from, info.Delivered.Stream-most)
	}
	s.log.Info("packs of the process that died are taken up", "packs", info.NumAckPending)
	for seq := from; seq <= info.Delivered.Stream; seq++ {
		subject := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.0.0", info.Stream, info.Name, seq, info.Delivered.Consumer)
		if err := s.c.nc.Publish(subject, []byte("-NAK")); err != nil {
			return translate(err, "take up what was in hand of queue %s", s.queue)
		}
	}
	return nil
}
