package notifier

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	inHand    = 64 // deliveries being sent at once
	perTarget = 2  // of one target, in all notifiers together
	// lease covers a try and the recording of it; afterwards others take the delivery up.
	lease      = 30 * time.Second
	recordTime = 15 * time.Second
	poll       = time.Second // how soon a retry that fell due is noticed
	// After the stop signal tries may go on for sendGrace, and be recorded until recordGrace.
	sendGrace   = 4 * time.Second
	recordGrace = 7 * time.Second
)

// sender keeps up to inHand deliveries going.
type sender struct {
	*Service
	busy    atomic.Int64
	group   sync.WaitGroup
	sending context.Context // ends sendGrace after the stop
	records context.Context // ends recordGrace after the stop
}

// deliver sends what is due until ctx ends, then lets what is in hand finish, within the graces.
func (s *Service) deliver(ctx context.Context) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	records, stopRecords := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecords()
	d := &sender{Service: s, sending: sending, records: records}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	away := false
	for ctx.Err() == nil {
		err := d.start(ctx)
		if err != nil && !away && ctx.Err() == nil {
			slog.WarnContext(ctx, "deliveries wait for the database", "err", err)
		}
		away = err != nil
		if away { // a nudge does not make the database come back
			waitFor(ctx, ticker.C, nil)
		} else {
			waitFor(ctx, ticker.C, s.wake)
		}
	}
	defer time.AfterFunc(sendGrace, stopSending).Stop()
	defer time.AfterFunc(recordGrace, stopRecords).Stop()
	d.group.Wait()
	return nil
}

func waitFor(ctx context.Context, tick <-chan time.Time, wake <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-tick:
	case <-wake:
	}
}

// start claims as many due deliveries as there is room for and sends each on its own.
func (d *sender) start(ctx context.Context) error {
	room := inHand - int(d.busy.Load())
	if room <= 0 {
		return nil // the next one to finish nudges
	}
	jobs, err := d.store.ClaimDeliveries(ctx, room, perTarget, lease)
	if err != nil {
		return err
	}
	for i := range jobs {
		j := &jobs[i]
		d.busy.Add(1)
		d.group.Go(func() {
			defer d.nudge()
			defer d.busy.Add(-1)
			d.try(j)
		})
	}
	return nil
}

// try sends j once and records what came of it.
func (d *sender) try(j *alert.Job) {
	started := time.Now()
	answer := d.send(d.sending, j)
	now := time.Now()
	verdict := alert.Judge(j, answer, now, rand.Float64())
	d.metrics.attempt(j, answer, verdict, now.Sub(started), now)
	if verdict.State == alert.DeliveryFailed {
		slog.WarnContext(d.sending, "delivery given up", "project", j.Project, "delivery", j.ID, "rule", j.Rule, "status", answer.Status)
	}
	d.record(d.records, j, attemptOf(j, answer, started, now), verdict)
}

// send hands j to its channel. A panic counts as a failed try.
func (s *Service) send(ctx context.Context, j *alert.Job) (a alert.Answer) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "channel panicked", "err", fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "project", j.Project, "delivery", j.ID)
			a = alert.Answer{Error: "internal error"}
		}
	}()
	ch, ok := s.channels[j.Channel]
	if !ok {
		return alert.Answer{Error: "this release does not know the channel", Final: true}
	}
	return ch.Send(ctx, j)
}

// record stores a try, again and again while the database is away and the lease may hold. When
// that fails the message goes out once more, under the same id.
func (s *Service) record(ctx context.Context, j *alert.Job, a alert.Attempt, v alert.Verdict) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.store.FinishAttempt(ctx, j, a, v)
		if err != nil && !fault.KindOf(err).Retryable() {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(recordTime))
	if err != nil {
		slog.ErrorContext(ctx, "try of a delivery was not recorded", "err", err, "project", j.Project, "delivery", j.ID)
	}
}

func attemptOf(j *alert.Job, a alert.Answer, started, ended time.Time) alert.Attempt {
	return alert.Attempt{
		Number: j.AttemptCount, StartedAt: started, Duration: ended.Sub(started).Round(time.Millisecond),
		Status: a.Status, Error: a.Error, Response: a.Response,
	}
}
