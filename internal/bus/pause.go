package bus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Pause says why a queue is paused. The pause itself is the broker's: it survives every restart.
type Pause struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"` // who paused it, as people know them; a service when it was a storm
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// Pauses holds the reasons, by queue.
var Pauses = Bucket[Pause]{Name: "pauses"}

const (
	// A storm is more than stormDead of the last stormWindow messages dead-lettered for a defect of
	// ours: after a bad deployment everything would end up there.
	stormWindow = 1000
	stormDead   = stormWindow / 20
	// untilResumed is a pause that somebody has to end.
	untilResumed = 10 * 365 * 24 * time.Hour
	pauseWait    = 5 * time.Second
)

// storm watches the latest results of one consumer. The zero value is ready.
type storm struct {
	mu      sync.Mutex
	results [stormWindow]bool // true: dead-lettered
	at      int
	dead    int
	broken  bool
}

func (s *storm) worked(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range min(n, stormWindow) {
		s.add(false)
	}
}

func (s *storm) died() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(true)
	s.broken = s.broken || s.dead > stormDead
}

func (s *storm) add(dead bool) {
	if s.results[s.at] {
		s.dead--
	}
	if s.results[s.at] = dead; dead {
		s.dead++
	}
	s.at = (s.at + 1) % stormWindow
}

// take reports whether a storm broke out and starts to watch anew.
func (s *storm) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.broken {
		return false
	}
	s.results, s.dead, s.broken = [stormWindow]bool{}, 0, false
	return true
}

// pauseForStorm stops the queue for all its consumers until somebody resumes it. The error ends the
// session, so that what was fetched ahead goes back.
func (s *source) pauseForStorm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pauseWait)
	defer cancel()
	p := Pause{Reason: fmt.Sprintf("more than %d of the last %d messages could not be handled", stormDead, stormWindow), By: s.c.service}
	err := s.c.pause(ctx, s.queue, &p)
	s.log.ErrorContext(ctx, "queue paused: too many dead letters; mend the cause, then resume the queue and replay them", "err", err)
	if err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "queue %s is paused", s.queue)
}

// PauseQueue stops a queue's consumers until p.Until, or until ResumeQueue when that is zero.
// Messages keep coming in. It sets p.At. fault.Unknown: there is no such queue. fault.Denied: the
// service does not operate.
func (c *Conn) PauseQueue(ctx context.Context, queue string, p *Pause) error {
	if err := c.operates(queue); err != nil {
		return err
	}
	return c.pause(ctx, queue, p)
}

func (c *Conn) operates(queue string) error {
	if !c.graph.Services[c.service].Operates {
		return fault.New(fault.Denied, "%s is not bound to operate on queues", c.service)
	}
	if _, ok := c.graph.Queues[queue]; !ok {
		return fault.New(fault.Unknown, "there is no queue %s", queue)
	}
	return nil
}

func (c *Conn) pause(ctx context.Context, queue string, p *Pause) error {
	p.At = time.Now().UTC()
	until := p.Until
	if until.IsZero() {
		until = p.At.Add(untilResumed)
	}
	_, err := c.js.PauseConsumer(ctx, queueStream(queue), queueConsumer(queue, c.graph.Queues[queue].Consumer), until)
	if err != nil {
		return translate(err, "pause queue %s", queue)
	}
	if !slices.Contains(c.graph.Buckets[Pauses.Name].Writers, c.service) {
		return nil
	}
	return Pauses.Put(ctx, c, queue, *p)
}

// ResumeQueue ends a pause. Kinds as of PauseQueue.
func (c *Conn) ResumeQueue(ctx context.Context, queue string) error {
	if err := c.operates(queue); err != nil {
		return err
	}
	_, err := c.js.ResumeConsumer(ctx, queueStream(queue), queueConsumer(queue, c.graph.Queues[queue].Consumer))
	if err != nil {
		return translate(err, "resume queue %s", queue)
	}
	return Pauses.Delete(ctx, c, queue)
}

// pausedUntil is what keeps a pause when a consumer is made anew or brought up to date.
func pausedUntil(ctx context.Context, js jetstream.JetStream, stream, consumer string) *time.Time {
	old, err := js.Consumer(ctx, stream, consumer)
	if err != nil || !old.CachedInfo().Paused {
		return nil
	}
	return old.CachedInfo().Config.PauseUntil
}
