package processor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	jobWorkers = 2               // jobs that one processor has in hand
	jobTurn    = time.Second     // after which a job lets the others go ahead
	jobPause   = time.Second / 2 // before looking for jobs again when there were none
	keepJobs   = 30 * 24 * time.Hour
)

// work does chunks of jobs, whose turn it is. What a worker leaves undone when it dies, another
// takes up from the last chunk.
func (s *Service) work(ctx context.Context) error {
	tools := &postgres.JobTools{Put: s.blobs.Put, Delete: s.blobs.Delete, Symbolicate: s.again}
	for ctx.Err() == nil {
		worked, err := s.store.WorkJob(ctx, tools, jobTurn)
		switch {
		case err != nil && !worked:
			return err
		case err != nil: // of one job, which waits longer each time; the others go on
			slog.ErrorContext(ctx, "a part of a job failed", "err", err)
		}
		if !worked {
			app.Sleep(ctx, jobPause)
		}
	}
	return nil
}

// again maps the frames of one event anew. One that makes that panic, which is a defect of ours, stays as
// it is and does not keep a job from the others.
func (s *Service) again(ctx context.Context, project int64, ev *event.Event) (mapped *event.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "mapping the frames of an event panicked", "err", fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "project", project, "event_id", ev.ID.String())
			mapped, err = nil, nil
		}
	}()
	return s.symbols.Again(ctx, project, ev)
}

// expire removes the events that projects keep for shorter than the installation does.
func (s *Service) expire(ctx context.Context, now time.Time) error {
	snapshots, err := s.store.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, p := range snapshots {
		days := time.Duration(p.Settings.Retention.Days) * 24 * time.Hour
		if days == 0 || days >= s.retention {
			continue
		}
		if err := s.store.ExpireEvents(ctx, p.Project, now.Add(-days)); err != nil {
			return err
		}
	}
	return nil
}
