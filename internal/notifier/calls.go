package notifier

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// testTimeout leaves time to record and answer within the ten seconds of a call.
const testTimeout = 8 * time.Second

// test sends a sample alert now, once, and reports how it fared; the try is in the delivery log.
// fault.Unknown: there is no such project, rule or destination. fault.Invalid: the rule has no such
// action, or the draft is not valid.
func (s *Service) test(ctx context.Context, req alert.TestRequest) (alert.TestResult, error) {
	change, err := s.store.SampleChange(ctx, req.Project)
	if err != nil {
		return alert.TestResult{}, err
	}
	j, rule, err := s.tested(ctx, req)
	if err != nil {
		return alert.TestResult{}, err
	}
	ch, ok := s.channels[j.Channel]
	if !ok {
		return alert.TestResult{}, fault.New(fault.Invalid, "this release does not know the channel %.40q", j.Channel)
	}
	settings, err := s.settings(j)
	if err != nil {
		return alert.TestResult{}, err
	}
	j.ID = postgres.NewID()
	j.Project, j.Change, j.Kind = req.Project, -j.ID, alert.NoticeTest
	n := &alert.Notice{Delivery: j.ID, Kind: j.Kind, Rule: rule, Change: change, Detail: alert.SampleDetail(), BaseURL: s.baseURL(), To: j.Address}
	if int(req.Action) < len(rule.Actions) {
		n.Action = rule.Actions[req.Action]
	}
	if j.Payload, err = ch.Render(n, settings); err != nil {
		return alert.TestResult{}, err
	}
	if err := s.store.StartDelivery(ctx, j, lease); err != nil {
		return alert.TestResult{}, err
	}
	return s.sendTest(ctx, j, ch, settings), nil
}

// tested returns the message that a request means, without its content, and the rule it is of.
func (s *Service) tested(ctx context.Context, req alert.TestRequest) (*alert.Job, alert.Rule, error) {
	rule := alert.Rule{Name: "Test", Project: req.Project}
	if d := req.Draft; d != nil {
		return &alert.Job{Settings: d.Settings, Organization: req.Organization, Delivery: alert.Delivery{Channel: d.Channel, Target: d.Target,
			Lane: "t" + d.Target}}, rule, nil
	}
	id := req.Destination
	if id == 0 {
		var err error
		if rule, err = s.store.Rule(ctx, req.Project, req.Rule); err != nil {
			return nil, rule, err
		}
		if req.Action < 0 || int(req.Action) >= len(rule.Actions) {
			return nil, rule, fault.New(fault.Invalid, "the rule has %d actions", len(rule.Actions))
		}
		if id = rule.Actions[req.Action].Destination; id == 0 {
			j, err := s.testedPerson(ctx, req, rule.Actions[req.Action])
			return j, rule, err
		}
	}
	found, err := s.store.ProjectDestinations(ctx, req.Project, []int64{id})
	if err != nil {
		return nil, rule, err
	}
	d, known := found[id]
	if !known {
		return nil, rule, fault.New(fault.Unknown, "there is no such destination")
	}
	return &alert.Job{Settings: d.Settings, Organization: d.Organization, Delivery: alert.Delivery{Rule: rule.ID, Action: req.Action, Destination: d.ID,
		Lane: d.Lane(), Channel: d.Channel, Target: d.Target}}, rule, nil
}

// testedPerson addresses the sample of a personal action: to the member it names, else to who asks.
func (s *Service) testedPerson(ctx context.Context, req alert.TestRequest, a alert.Action) (*alert.Job, error) {
	user := req.User
	if a.Kind == alert.ActionMember {
		user = a.Target
	}
	people, err := s.store.Recipients(ctx, req.Project, []int64{user})
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, fault.New(fault.Invalid, "nobody with an e-mail address would get this message")
	}
	j := personal(alert.Job{Delivery: alert.Delivery{Rule: req.Rule, Action: req.Action}}, people[0])
	j.Address = people[0].Email
	return &j, nil
}

func (s *Service) sendTest(ctx context.Context, j *alert.Job, ch delivery.Channel, settings delivery.Settings) alert.TestResult {
	sending, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	started := time.Now()
	answer := ch.Send(sending, j, settings)
	now := time.Now()
	verdict := alert.Verdict{State: alert.DeliverySent}
	if answer.Error != "" { // a person waits: what failed is not tried again
		verdict = alert.Verdict{State: alert.DeliveryFailed, Reason: answer.Error}
	}
	s.metrics.attempt(j, answer, verdict, now.Sub(started), now)
	a := attemptOf(j, answer, started, now)
	s.record(ctx, j, a, verdict, answer)
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
