package notifier

import (
	"context"
	"encoding/json"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// flushFolds makes messages of what was held back long enough.
func (s *Service) flushFolds(ctx context.Context) error {
	for {
		n, more, err := s.store.FlushFolds(ctx)
		if n > 0 {
			s.metrics.queued.Add(float64(n))
			s.nudge()
		}
		if err != nil || !more {
			return err
		}
	}
}

// escalationsAtOnce is how many are looked at together.
const escalationsAtOnce = 100

// escalate tells a further destination of alerts that nobody acknowledged in time.
func (s *Service) escalate(ctx context.Context) error {
	due, err := s.store.DueEscalations(ctx, escalationsAtOnce)
	if err != nil {
		return err
	}
	for i := range due {
		e := &due[i]
		outcome := e.Handled
		if outcome == "" {
			if outcome, err = s.escalateOne(ctx, e); err != nil {
				return err
			}
		}
		if err := s.store.EndEscalation(ctx, e, outcome); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) escalateOne(ctx context.Context, e *postgres.DueEscalation) (string, error) {
	found, err := s.store.ProjectDestinations(ctx, e.ProjectID, []int64{e.DestinationID})
	if err != nil {
		return "", err
	}
	d, known := found[e.DestinationID]
	if !known {
		return "the destination is gone", nil
	}
	var seed alert.NoticeSeed
	if err := json.Unmarshal(e.Notice, &seed); err != nil {
		return "", fault.Wrap(err, fault.Internal, "read escalation %d", e.ID)
	}
	seed.Reason = "An alert of " + e.FiredAt.UTC().Format("2006-01-02 15:04 UTC") + " was not acknowledged in time."
	notice, err := json.Marshal(seed)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "encode escalation %d", e.ID)
	}
	return "escalated", s.enqueue(ctx, []alert.Job{{Notice: notice, Delivery: alert.Delivery{ID: postgres.NewID(), Project: e.ProjectID, Rule: e.RuleID,
		Change: e.ID, Issue: e.IssueID, Kind: alert.NoticeEscalation, Lane: d.Lane(), Destination: d.ID, Channel: d.Channel, Target: d.Target}}})
}
