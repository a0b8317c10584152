package notifier

import (
	"context"
	"log/slog"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// maxJobs is how many deliveries are stored in one transaction.
const maxJobs = 256

// Alert queues the deliveries that a batch of changes causes. A change that comes again causes
// nothing new. Rejects are changes that name no project or have no id.
func (s *Service) Alert(ctx context.Context, batch []issue.Change) (rejects []bus.Reject, err error) {
	rules := map[int64][]alert.Rule{}
	var jobs []alert.Job
	for i := range batch {
		c := &batch[i]
		if c.ID <= 0 || c.Project <= 0 {
			rejects = append(rejects, bus.Reject{Index: i, Err: fault.New(fault.Invalid, "a change has an id and a project")})
			continue
		}
		if _, known := rules[c.Project]; !known {
			if rules[c.Project], err = s.store.Rules(ctx, c.Project); err != nil {
				return nil, err
			}
		}
		for r := range rules[c.Project] {
			rule := &rules[c.Project][r]
			if !rule.Matches(c) {
				continue
			}
			if jobs, err = s.plan(ctx, jobs, rule, c); err != nil {
				return nil, err
			}
			if len(jobs) >= maxJobs {
				if err := s.enqueue(ctx, jobs); err != nil {
					return nil, err
				}
				jobs = jobs[:0]
			}
		}
	}
	return rejects, s.enqueue(ctx, jobs)
}

// plan adds the deliveries of one rule about one change.
func (s *Service) plan(ctx context.Context, jobs []alert.Job, rule *alert.Rule, c *issue.Change) ([]alert.Job, error) {
	for i, action := range rule.Actions {
		ch, ok := s.channels[action.Channel]
		if !ok { // a later release stored it
			slog.ErrorContext(ctx, "alert rule names an unknown channel", "project", rule.Project, "rule", rule.ID, "channel", action.Channel)
			continue
		}
		n := &alert.Notice{Delivery: postgres.NewID(), Rule: *rule, Change: *c, BaseURL: s.baseURL()}
		payload, err := ch.Render(n)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, alert.Job{
			Delivery: alert.Delivery{
				ID: n.Delivery, Project: c.Project, Rule: rule.ID, Change: c.ID, Action: int16(i),
				Issue: c.Issue, Channel: action.Channel, Target: action.Target,
			},
			Payload: payload, Settings: action.Settings, Frequency: rule.Frequency,
		})
	}
	return jobs, nil
}

func (s *Service) enqueue(ctx context.Context, jobs []alert.Job) error {
	n, err := s.store.EnqueueDeliveries(ctx, jobs)
	if n > 0 {
		s.metrics.queued.Add(float64(n))
		s.nudge()
	}
	return err
}
