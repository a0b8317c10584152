package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	var elections []time.Duration
	late := w.watchAge(ctx)
	for range w.o.kills {
		w.hold(ctx, 0.5)
		took, err := w.endLeader(ctx, (*fleet.Broker).Kill)
		if err != nil {
			return err
		}
		elections = append(elections, took)
	}
	age, err := late()
	if err != nil {
		return err
	}
	orderly, err := w.endLeader(ctx, func(b *fleet.Broker) {
		_ = b.Signal(syscall.SIGTERM)
		<-b.Done()
	})
	w.note = fmt.Sprintf("%d leaders killed, replaced after %.1f to %.1f s; events waited %.1f s at most until they were stored; one that was stopped in order was replaced after %.1f s",
		len(elections), slices.Min(elections).Seconds(), slices.Max(elections).Seconds(), age.Seconds(), orderly.Seconds())
	return err
}

// endLeader ends the server that leads the stream and starts it again when another one does. It returns how
// long that took.
func (w *world) endLeader(ctx context.Context, end func(*fleet.Broker)) (time.Duration, error) {
	before, err := w.leader(ctx)
	if err != nil {
		return 0, err
	}
	elected, stop, err := w.watchElections(ctx, before)
	if err != nil {
		return 0, err
	}
	defer stop()
	killed := time.Now()
	end(before)
	var took time.Duration
	select {
	case at := <-elected:
		took = at.Sub(killed)
	case <-time.After(time.Duration(w.o.patience) * time.Minute):
		return 0, errors.New("no other server took over")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	w.hold(ctx, 0.3)
	if err := before.Start(); err != nil {
		return 0, err
	}
	return took, w.await(ctx, time.Minute, func() error { return w.replicated(ctx) })
}

// watchElections tells when another server than this one leads the stream.
func (w *world) watchElections(ctx context.Context, but *fleet.Broker) (elected <-chan time.Time, stop func(), err error) {
	other := w.Peers[(slices.Index(w.Peers, but)+1)%len(w.Peers)]
	nc, err := bus.ConnectAdmin(other.URL(bus.Admin))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	times, done := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			asking, end := context.WithTimeout(ctx, 300*time.Millisecond) // nobody answers before there is a leader
			s, err := js.Stream(asking, eventStream)
			end()
			if err == nil {
				if c := s.CachedInfo().Cluster; c != nil && c.Leader != "" && c.Leader != but.Name {
					times <- time.Now()
					return
				}
			}
			time.Sleep(25 * time.Millisecond)
		}
	}()
	return times, func() { cancel(); <-done; nc.Close() }, nil
}

// leaderCutOff cuts the leader off from the other servers, while clients reach all of them.
func leaderCutOff(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	leader, err := w.leader(ctx)
	if err != nil {
		return err
	}
	elected, stop, err := w.watchElections(ctx, leader)
	if err != nil {
		return err
	}
	defer stop()
	cut := time.Now()
	for name, l := range w.Links {
		if from, to, _ := strings.Cut(name, "-"); from == leader.Name || to == leader.Name {
			l.Silent.Store(true)
		}
	}
	var took time.Duration
	select {
	case at := <-elected:
		took = at.Sub(cut)
	case <-time.After(time.Duration(w.o.patience) * time.Minute):
		err = errors.New("the other two have no leader")
	case <-ctx.Done():
		err = ctx.Err()
	}
	w.hold(ctx, 1)
	for _, l := range w.Links {
		l.Heal()
	}
	healed := time.Now()
	if err := errors.Join(err, w.await(ctx, time.Minute, func() error { return w.replicated(ctx) })); err != nil {
		return err
	}
	w.note = fmt.Sprintf("the other two had a leader after %.1f s; healed, all three were even after %.1f s", took.Seconds(), time.Since(healed).Seconds())
	return nil
}

// rotted damages the files of a server that does not lead, as a bad disk does: it comes back with what the
// others have, by itself or, as operators are told, with an empty folder.
func rotted(ctx context.Context, w *world, rng *rand.Rand) error {
	w.hold(ctx, 0.5)
	leader, err := w.leader(ctx)
	if err != nil {
		return err
	}
	bad := w.Peers[(slices.Index(w.Peers, leader)+1)%len(w.Peers)]
	bad.Kill()
	folder := filepath.Join(w.Dir, "nats", bad.Name)
	files, err := rot(folder, rng)
	if err != nil {
		return err
	}
	w.hold(ctx, 0.5)
	began := time.Now()
	if err := bad.Start(); err != nil {
		return err
	}
	how := "by itself"
	if err := w.await(ctx, 20*time.Second, func() error { return w.replicated(ctx) }); err != nil {
		how = "with an empty folder"
		bad.Kill()
		if err := errors.Join(os.RemoveAll(folder), bad.Start()); err != nil {
			return err
		}
		if err := w.await(ctx, 2*time.Minute, func() error { return w.replicated(ctx) }); err != nil {
			return err
		}
	}
	w.note = fmt.Sprintf("bits of %d files flipped; the server had everything again %.1f s after its start, %s", files, time.Since(began).Seconds(), how)
	return nil
}

// rot flips a bit in each 4 KiB of every file with messages or their index, and tells how many those are.
func rot(folder string, rng *rand.Rand) (files int, err error) {
	const every = 4 << 10
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" && d.Name() != "index.db" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			return err
		}
		for at := rng.IntN(min(every, len(text))); at < len(text); at += every {
			text[at] ^= 1 << rng.IntN(8)
		}
		files++
		return os.WriteFile(path, text, 0o600)
	})
	if err == nil && files == 0 {
		err = errors.New("the server has no files to damage")
	}
	return files, err
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
