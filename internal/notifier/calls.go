package notifier

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// testTimeout leaves time to record and answer within the ten seconds of a call.
const testTimeout = 8 * time.Second

// test sends a sample alert now, once, and reports how it fared; the try is in the delivery log.
// fault.Unknown: there is no such project or rule. fault.Invalid: the rule has no such action, or
// the draft is not valid.
func (s *Service) test(ctx context.Context, req alert.TestRequest) (alert.TestResult, error) {
	change, err := s.store.SampleChange(ctx, req.Project)
	if err != nil {
		return alert.TestResult{}, err
	}
	rule, action, err := s.tested(ctx, req)
	if err != nil {
		return alert.TestResult{}, err
	}
	ch, ok := s.channels[action.Channel]
	if !ok {
		return alert.TestResult{}, fault.New(fault.Invalid, "this release does not know the channel %q", action.Channel)
	}
	id := postgres.NewID()
	payload, err := ch.Render(&alert.Notice{Delivery: id, Rule: rule, Change: change, BaseURL: s.baseURL(), Test: true})
	if err != nil {
		return alert.TestResult{}, err
	}
	j := &alert.Job{
		Delivery: alert.Delivery{
			ID: id, Project: req.Project, Rule: rule.ID, Change: -id, Action: req.Action,
			Channel: action.Channel, Target: action.Target,
		},
		Payload: payload, Settings: action.Settings,
	}
	if err := s.store.StartDelivery(ctx, j, lease); err != nil {
		return alert.TestResult{}, err
	}
	return s.sendTest(ctx, j), nil
}

// tested returns the rule and action that a request means.
func (s *Service) tested(ctx context.Context, req alert.TestRequest) (alert.Rule, alert.Action, error) {
	if req.Draft != nil {
		return alert.Rule{Name: "Test", Project: req.Project}, *req.Draft, req.Draft.Validate()
	}
	rule, err := s.store.Rule(ctx, req.Project, req.Rule)
	if err != nil {
		return rule, alert.Action{}, err
	}
	if req.Action < 0 || int(req.Action) >= len(rule.Actions) {
		return rule, alert.Action{}, fault.New(fault.Invalid, "the rule has %d actions", len(rule.Actions))
	}
	return rule, rule.Actions[req.Action], nil
}

func (s *Service) sendTest(ctx context.Context, j *alert.Job) alert.TestResult {
	sending, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	started := time.Now()
	answer := s.send(sending, j)
	now := time.Now()
	verdict := alert.Verdict{State: alert.DeliverySent}
	if answer.Error != "" { // a person waits: what failed is not tried again
		verdict = alert.Verdict{State: alert.DeliveryFailed, Reason: answer.Error}
	}
	s.metrics.attempt(j, answer, verdict, now.Sub(started), now)
	a := attemptOf(j, answer, started, now)
	s.record(ctx, j, a, verdict)
	return alert.TestResult{Delivery: j.ID, State: verdict.State, Attempt: a}
}

// redeliver makes finished deliveries due again. fault.Invalid: none or too many are named.
func (s *Service) redeliver(ctx context.Context, req alert.RedeliverRequest) (alert.RedeliverResult, error) {
	if len(req.Deliveries) == 0 || len(req.Deliveries) > alert.MaxRedeliver {
		return alert.RedeliverResult{}, fault.New(fault.Invalid, "name 1 to %d deliveries", alert.MaxRedeliver)
	}
	queued, err := s.store.Requeue(ctx, req.Project, req.Deliveries)
	if len(queued) > 0 {
		s.metrics.queued.Add(float64(len(queued)))
		s.nudge()
	}
	return alert.RedeliverResult{Queued: queued}, err
}
