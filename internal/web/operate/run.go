package operate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	// maxNamed is how many letters one run may name; more are selected by queue and group.
	maxNamed = 500
	// stepLetters and stepTime bound what happens between two notes of a run's progress.
	stepLetters = 100
	stepTime    = 2 * time.Second
	lookEvery   = 2 * time.Second
	runLease    = time.Minute
)

// Selection names dead letters: by id, or all of a queue, of a group, or of everything.
type Selection struct {
	Kind    postgres.RunKind
	Letters []string // ids; empty: what Queue and Group select
	Queue   string
	Group   string
	All     bool   // must be set to select without Letters, Queue and Group
	Reason  string // needed to discard
}

// Start begins a run; Work carries it out. fault.Invalid: the selection is empty or too large, or a
// discard has no reason.
func (d *Desk) Start(ctx context.Context, who *account.Principal, s Selection) (postgres.LetterRun, error) {
	run := postgres.LetterRun{Kind: s.Kind, Queue: s.Queue, GroupID: s.Group, Reason: strings.TrimSpace(s.Reason)}
	run.ActorID, run.Actor = Actor(who)
	if run.Kind == postgres.RunDiscard && run.Reason == "" || len(run.Reason) > maxReason {
		return run, errReason
	}
	if err := d.aim(ctx, &run, s); err != nil {
		return run, err
	}
	if err := d.store.StartLetterRun(ctx, &run); err != nil {
		return run, err
	}
	select {
	case d.started <- struct{}{}:
	default: // the worker is awake already
	}
	return d.store.LetterRun(ctx, run.ID)
}

// aim decides which letters a run is about.
func (d *Desk) aim(ctx context.Context, run *postgres.LetterRun, s Selection) error {
	if len(s.Letters) > 0 {
		return d.aimAtNamed(run, s)
	}
	if s.Queue == "" && s.Group == "" && !s.All {
		return fault.New(fault.Invalid, "Name dead letters, a queue or a group, or say all.")
	}
	dlq, err := d.dlqOf(s.Queue)
	if err != nil {
		return err
	}
	door, err := d.door(dlq)
	if err != nil {
		return err
	}
	run.DLQ = dlq
	last, count, err := door.Last(ctx)
	if err != nil {
		return err
	}
	run.UntilSeq, run.Total = last, int64(count)
	if s.Queue != "" || s.Group != "" {
		groups, _, err := door.Groups(ctx, s.Queue)
		if err != nil {
			return err
		}
		run.Total = 0
		for _, g := range groups {
			if s.Group == "" || s.Group == g.ID {
				run.Total += int64(g.Count)
			}
		}
	}
	return nil
}

func (d *Desk) aimAtNamed(run *postgres.LetterRun, s Selection) error {
	if s.Queue != "" || s.Group != "" || s.All || len(s.Letters) > maxNamed {
		return fault.New(fault.Invalid, "Name up to %d dead letters, or a queue, a group or all instead.", maxNamed)
	}
	for _, id := range s.Letters {
		dlq, seq, err := parseID(id)
		if err != nil {
			return err
		}
		if _, err := d.door(dlq); err != nil {
			return err
		}
		if run.DLQ != "" && run.DLQ != dlq {
			return fault.New(fault.Invalid, "The dead letters of one run are in one dead-letter queue.")
		}
		run.DLQ, run.Letters, run.UntilSeq = dlq, append(run.Letters, seq), max(run.UntilSeq, seq)
	}
	slices.Sort(run.Letters)
	run.Letters = slices.Compact(run.Letters)
	run.Total = int64(len(run.Letters))
	return nil
}

// Await returns the run once it has ended, or as it is when limit has passed.
func (d *Desk) Await(ctx context.Context, id int64, limit time.Duration) (postgres.LetterRun, error) {
	deadline := time.Now().Add(limit)
	for {
		run, err := d.store.LetterRun(ctx, id)
		if err != nil || run.State != postgres.RunGoing || time.Now().After(deadline) {
			return run, err
		}
		select {
		case <-ctx.Done():
			return run, nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Run returns one run, Runs the latest ones, and Actions what else operators did.
func (d *Desk) Run(ctx context.Context, id int64) (postgres.LetterRun, error) {
	return d.store.LetterRun(ctx, id)
}

// Runs lists the latest runs, newest first.
func (d *Desk) Runs(ctx context.Context) ([]postgres.LetterRun, error) {
	return d.store.LetterRuns(ctx)
}

// Actions lists what operators did beside runs, newest first.
func (d *Desk) Actions(ctx context.Context) ([]postgres.OperatorAction, error) {
	return d.store.OperatorActions(ctx)
}

// Cancel ends a run after the step in hand. fault.Conflict: it has ended already.
func (d *Desk) Cancel(ctx context.Context, who *account.Principal, id int64) error {
	if err := d.store.CancelLetterRun(ctx, id); err != nil {
		return err
	}
	actor, name := Actor(who)
	return d.store.AddOperatorAction(ctx, postgres.OperatorAction{ActorID: actor, Actor: name, Action: "dead-letter-run.cancel", Target: bus.LetterID("run", uint64(id))})
}

// Work carries out runs until ctx ends, those that other processes left unfinished included. One
// process at a time does so.
func (d *Desk) Work(ctx context.Context) error {
	for {
		more, err := d.step(ctx)
		if err != nil && fault.KindOf(err) != fault.Unavailable {
			return err
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.started:
		case <-time.After(lookEvery):
		}
	}
}

// step works on the oldest open run for a moment. more is false when there is nothing to do here.
func (d *Desk) step(ctx context.Context) (more bool, err error) {
	run, ok, err := d.store.OpenLetterRun(ctx)
	if err != nil || !ok {
		return false, err
	}
	if _, mine, err := d.store.AcquireLease(ctx, "dead letter runs", d.holder, runLease); err != nil || !mine {
		return false, err
	}
	// Somebody else may have got further before the lease was ours.
	if run, err = d.store.LetterRun(ctx, run.ID); err != nil || run.State != postgres.RunGoing {
		return err == nil, err
	}
	door, err := d.door(run.DLQ)
	if err != nil {
		run.LastError, run.State = fault.Public(err), postgres.RunCanceled
		return true, d.store.SaveLetterRun(ctx, &run)
	}
	ended, err := d.some(ctx, door, &run)
	if err != nil {
		return false, err
	}
	if ended {
		run.State = postgres.RunDone
	}
	return true, d.store.SaveLetterRun(ctx, &run)
}

// some carries a run on until stepLetters are done or stepTime has passed.
func (d *Desk) some(ctx context.Context, door *bus.Letters, run *postgres.LetterRun) (ended bool, err error) {
	deadline := time.Now().Add(stepTime)
	if run.Letters != nil {
		for _, seq := range run.Letters {
			if seq < run.NextSeq {
				continue
			}
			if time.Now().After(deadline) {
				return false, nil
			}
			if err := d.one(ctx, door, run, seq); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	page, next, err := door.List(ctx, bus.LetterQuery{Queue: run.Queue, Group: run.GroupID, From: run.NextSeq, Until: run.UntilSeq}, stepLetters)
	if err != nil {
		return false, err
	}
	for i := range page {
		if err := d.one(ctx, door, run, page[i].Seq); err != nil {
			return false, err
		}
	}
	run.NextSeq = max(run.NextSeq, next)
	return next == 0, nil
}

// one replays or discards one letter. An error means that the bus or the database is away; what is
// wrong with the letter itself is counted.
func (d *Desk) one(ctx context.Context, door *bus.Letters, run *postgres.LetterRun, seq uint64) error {
	err := d.handle(ctx, door, run.Kind, seq)
	if fault.KindOf(err) == fault.Unavailable && err != nil {
		return err
	}
	if run.NextSeq = seq + 1; err != nil {
		run.Failed, run.LastError = run.Failed+1, fault.Public(err)
		return nil
	}
	run.Done++
	return nil
}

func (d *Desk) handle(ctx context.Context, door *bus.Letters, kind postgres.RunKind, seq uint64) error {
	if kind == postgres.RunDiscard {
		return door.Discard(ctx, seq)
	}
	letter, err := door.Get(ctx, seq)
	if err != nil {
		return err
	}
	if letter.Queue == "" {
		return fault.New(fault.Invalid, "dead letter %d cannot be read", seq)
	}
	if err := d.undo(ctx, &Letter{DeadLetter: letter}); err != nil {
		return err
	}
	return door.Replay(ctx, seq)
}
