package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	inHand = 64 // deliveries being sent at once
	// perLane is how many of one destination are sent at once, by all notifiers together: messages
	// keep their order, the first about an issue makes its thread, and a crash can repeat but one.
	perLane = 1
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
	if err := s.takeBack(ctx); err != nil {
		return err
	}
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

// takeBack makes due what this notifier had in hand when it was killed.
func (s *Service) takeBack(ctx context.Context) error {
	n, err := s.store.ReleaseClaims(ctx, s.holder)
	if n > 0 {
		slog.InfoContext(ctx, "deliveries that a crash cut off are taken up again", "count", n)
	}
	return err
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
	jobs, err := d.store.ClaimDeliveries(ctx, d.holder, room, perLane, lease)
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
	answer := traced(d.sending, j, func(ctx context.Context) alert.Answer { return d.send(ctx, j) })
	now := time.Now()
	verdict := alert.Judge(j, answer, now, rand.Float64())
	d.metrics.attempt(j, answer, verdict, now.Sub(started), now)
	if verdict.State == alert.DeliveryFailed {
		slog.WarnContext(d.sending, "delivery given up", "project", j.Project, "delivery", j.ID, "rule", j.Rule, "status", answer.Status)
	}
	d.record(d.records, j, attemptOf(j, answer, started, now), verdict, answer)
}

// send renders j, when it was not before, and hands it to its channel. A panic counts as a failed try.
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
	settings, err := s.settings(j)
	if err != nil {
		return alert.Answer{Error: fault.Public(err), Final: !fault.KindOf(err).Retryable()}
	}
	if len(j.Payload) == 0 {
		if err := s.render(ctx, j, ch, settings); err != nil {
			slog.WarnContext(ctx, "message was not rendered", "err", err, "project", j.Project, "delivery", j.ID)
			return alert.Answer{Error: "the message could not be made", Final: !fault.KindOf(err).Retryable(), Cut: fault.KindOf(err).Retryable()}
		}
	}
	return ch.Send(ctx, j, settings)
}

// settings opens those of j's destination; a person's are their address.
func (s *Service) settings(j *alert.Job) (delivery.Settings, error) {
	if j.User != 0 {
		if j.Address == "" {
			return nil, fault.New(fault.Invalid, "the person has no account any more")
		}
		return delivery.Settings{"to": j.Address}, nil
	}
	if j.Settings == "" {
		return nil, fault.New(fault.Invalid, "the destination is gone")
	}
	settings, err := delivery.Open(j.Organization, j.Settings, s.key)
	if err != nil {
		// Most often the key is that of another installation, which its operator can mend.
		return nil, fault.New(fault.Unavailable, "the settings cannot be read: %s", fault.Public(err))
	}
	return settings, nil
}

// record stores a try, again and again while the database is away and the lease may hold. When
// that fails the message goes out once more, under the same id.
func (s *Service) record(ctx context.Context, j *alert.Job, a alert.Attempt, v alert.Verdict, answer alert.Answer) {
	failed, err := backoff.Retry(ctx, func() (*postgres.LaneFailure, error) {
		failed, err := s.store.FinishAttempt(ctx, j, a, v, answer)
		if err != nil && !fault.KindOf(err).Retryable() {
			err = backoff.Permanent(err)
		}
		return failed, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(recordTime))
	if err != nil {
		slog.ErrorContext(ctx, "try of a delivery was not recorded", "err", err, "project", j.Project, "delivery", j.ID)
		return
	}
	if reason := giveUp(failed, answer, time.Now()); reason != "" && j.Destination != 0 {
		if err := s.disable(ctx, j, reason); err != nil {
			slog.ErrorContext(ctx, "destination was not switched off", "err", err, "project", j.Project, "destination", j.Destination)
		}
	}
}

// giveUp says why a destination is to be switched off; empty: it is not.
func giveUp(failed *postgres.LaneFailure, answer alert.Answer, now time.Time) string {
	switch {
	case failed == nil || failed.Disabled:
		return ""
	case answer.Gone:
		return "It answered that it is gone for good (410)."
	case now.Sub(failed.Since) >= alert.DisableAfter && failed.Failures >= alert.BreakAfter:
		return "It has not taken a message for 72 hours. The last failure: " + answer.Error + "."
	}
	return ""
}

// disable switches a destination off and tells who looks after the organization, by mail.
func (s *Service) disable(ctx context.Context, j *alert.Job, reason string) error {
	first, err := s.store.DisableLane(ctx, j.Lane, reason, j.ID)
	if err != nil || !first {
		return err
	}
	slog.WarnContext(ctx, "destination switched off", "project", j.Project, "destination", j.Destination, "reason", reason)
	managers, err := s.store.Managers(ctx, j.Organization)
	if err != nil {
		return err
	}
	change, err := s.store.SampleChange(ctx, j.Project)
	if err != nil {
		return err
	}
	change.ID, change.Title, change.Culprit, change.ShortID, change.Level = postgres.NewID(), "Destination "+j.Target+" ("+j.Channel+")", "", "", "warning"
	change.FirstSeen, change.Release, change.Environment = time.Time{}, "", ""
	notice, err := json.Marshal(alert.NoticeSeed{Change: change, Reason: reason + " Alerts are no longer sent there. Correct its settings and save them, and it starts anew."})
	if err != nil {
		return err
	}
	var jobs []alert.Job
	for _, r := range managers {
		jobs = append(jobs, personal(alert.Job{Notice: notice, Delivery: alert.Delivery{Project: j.Project, Change: -change.ID, Kind: alert.NoticeDisabled}}, r))
	}
	return s.enqueue(ctx, jobs)
}

func attemptOf(j *alert.Job, a alert.Answer, started, ended time.Time) alert.Attempt {
	return alert.Attempt{
		Number: j.AttemptCount, StartedAt: started, Duration: ended.Sub(started).Round(time.Millisecond),
		Status: a.Status, Error: a.Error, Response: a.Response,
	}
}
