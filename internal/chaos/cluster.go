package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// The stream and the consumer of accepted events.
const (
	eventStream   = "EVENTS"
	eventConsumer = "events-processor"
)

// clustered makes NATS three servers, each with every message.
func clustered(o *fleet.Options) { o.Brokers, o.Proxies = 3, false }

// leadersKilled kills whichever server leads the stream of events, again and again: another one takes over
// and nobody is refused.
func leadersKilled(ctx context.Context, w *world, _ *rand.Rand) error {
	var longest time.Duration
	for range w.o.kills {
		w.hold(ctx, 0.5)
		before, err := w.leader(ctx)
		if err != nil {
			return err
		}
		before.Kill()
		killed := time.Now()
		if err := w.await(ctx, time.Minute, func() error {
			now, err := w.leader(ctx)
			if err == nil && now == before {
				err = fmt.Errorf("%s still leads", before.Name)
			}
			return err
		}); err != nil {
			return err
		}
		longest = max(longest, time.Since(killed))
		w.hold(ctx, 0.3)
		if err := before.Start(); err != nil {
			return err
		}
		if err := w.await(ctx, time.Minute, func() error { return w.replicated(ctx) }); err != nil {
			return err
		}
	}
	w.note = fmt.Sprintf("%d leaders killed, each replaced within %.1f s", w.o.kills, longest.Seconds())
	return nil
}

// leader is the server that leads the stream of events now.
func (w *world) leader(ctx context.Context) (*fleet.Broker, error) {
	info, err := w.stream(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(w.Peers, func(b *fleet.Broker) bool { return info.Cluster != nil && b.Name == info.Cluster.Leader })
	if i < 0 {
		return nil, fmt.Errorf("the stream %s has no leader", eventStream)
	}
	return w.Peers[i], nil
}

// replicated is nil when every server has the whole stream.
func (w *world) replicated(ctx context.Context) error {
	info, err := w.stream(ctx)
	if err != nil {
		return err
	}
	if info.Cluster == nil || len(info.Cluster.Replicas) != len(w.Peers)-1 {
		return fmt.Errorf("the stream %s is on fewer servers than %d", eventStream, len(w.Peers))
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current || r.Offline {
			return fmt.Errorf("%s lags behind", r.Name)
		}
	}
	return nil
}

func (w *world) stream(ctx context.Context) (info *jetstream.StreamInfo, err error) {
	err = w.jetstream(func(js jetstream.JetStream) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, eventStream)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	return info, err
}

// jetstream lets f ask NATS with every right.
func (w *world) jetstream(f func(jetstream.JetStream) error) error {
	nc, err := bus.ConnectAdmin(w.BrokerURL(bus.Admin))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return f(js)
}

// hurry lets events that wait for another try be tried at once, until stop is called: what takes a quarter
// of an hour by the delays of the bindings takes seconds.
func (w *world) hurry(ctx context.Context) (stop func(), err error) {
	nc, err := bus.ConnectAdmin(w.BrokerURL(bus.Admin))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			askAgain(ctx, nc, js)
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done; nc.Close() }, nil
}

func askAgain(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) {
	c, err := js.Consumer(ctx, eventStream, eventConsumer)
	if err != nil {
		return // it is asked again
	}
	info := c.CachedInfo()
	for seq := info.AckFloor.Stream + 1; seq <= info.Delivered.Stream && info.NumAckPending > 0; seq++ {
		_ = nc.Publish(fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.0.0", eventStream, eventConsumer, seq, info.Delivered.Consumer), []byte("-NAK"))
	}
}
