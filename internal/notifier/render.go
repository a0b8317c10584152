package notifier

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// maxMembers is how many people a menu of a message offers.
const maxMembers = 100

// render makes the bytes of a message, once: what the event says is read now, because most alerts
// of a storm are never rendered.
func (s *Service) render(ctx context.Context, j *alert.Job, ch delivery.Channel, settings delivery.Settings) error {
	n, err := s.notice(ctx, j, settings)
	if err != nil {
		return err
	}
	if j.Payload, err = ch.Render(n, settings); err != nil {
		return err
	}
	return s.store.KeepPayload(ctx, j)
}

// notice gathers what a message says.
func (s *Service) notice(ctx context.Context, j *alert.Job, settings delivery.Settings) (*alert.Notice, error) {
	var seed alert.NoticeSeed
	if err := json.Unmarshal(j.Notice, &seed); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the stored alert cannot be read")
	}
	n := &alert.Notice{Delivery: j.ID, Kind: j.Kind, Change: seed.Change, Action: seed.Action, Reason: seed.Reason, Report: seed.Report,
		BaseURL: s.baseURL(), To: j.Address}
	if j.Rule != 0 {
		rule, err := s.store.Rule(ctx, j.Project, j.Rule)
		if err != nil && fault.KindOf(err) != fault.Unknown {
			return nil, err
		}
		n.Rule = rule
	}
	var err error
	switch {
	case j.Kind == alert.NoticeDigest:
		if n.Digest, err = s.store.Digest(ctx, j.ID); err != nil {
			return nil, err
		}
	case j.Issue != 0:
		if err := s.describe(ctx, j, n); err != nil {
			return nil, err
		}
	}
	if j.User != 0 {
		n.Unsubscribe = s.unsubscribe(j, seed.Topic)
	}
	if delivery.Interactive(j.Channel, settings) {
		n.Interactive = true
		members, err := s.store.ProjectMembers(ctx, j.Project)
		if err != nil {
			return nil, err
		}
		for _, m := range members[:min(len(members), maxMembers)] {
			name := m.Name
			if name == "" {
				name = m.Email
			}
			n.Members = append(n.Members, alert.Person{ID: m.ID, Name: name})
		}
	}
	return n, nil
}

// describe adds what the issue is like now, where the event broke, and in which release it did not.
func (s *Service) describe(ctx context.Context, j *alert.Job, n *alert.Notice) error {
	key := postgres.IssueKey{Project: j.Project, Issue: j.Issue}
	found, err := s.store.AlertIssues(ctx, []postgres.IssueKey{key})
	if err != nil {
		return err
	}
	i := found[key]
	if i == nil {
		return nil // deleted meanwhile; the change tells enough
	}
	i.Fill(&n.Change)
	row, err := s.eventFor(ctx, j, &n.Change)
	if err != nil {
		return err
	}
	if row != nil {
		n.Detail = alerting.Detail(row.Event)
		if n.Change.EventID == "" {
			n.Change.EventID = row.ID.String()
		}
	}
	if n.Change.Release != "" {
		n.Detail.Previous, err = s.store.PreviousRelease(ctx, j.Project, j.Issue, n.Change.Release)
	}
	return err
}

// eventFor reads the event a change is about, else the issue's latest; nil: there is none any more.
func (s *Service) eventFor(ctx context.Context, j *alert.Job, c *issue.Change) (*postgres.EventRow, error) {
	if id, err := event.ParseID(c.EventID); err == nil && c.EventID != "" {
		row, err := s.store.EventOf(ctx, j.Project, id)
		if err == nil {
			return &row, nil
		}
		if fault.KindOf(err) != fault.Unknown {
			return nil, err
		}
	}
	v, err := s.store.IssueEvent(ctx, j.Project, j.Issue, postgres.EventSelector{Which: postgres.EventLatest})
	if err != nil {
		if fault.KindOf(err) == fault.Unknown {
			return nil, nil
		}
		return nil, err
	}
	return &postgres.EventRow{ID: v.Event.ID, Event: v.Event}, nil
}

// unsubscribe is an address that, posted to, stops messages like this one. It needs no login: the
// token in it names what it stops and cannot be made by others.
func (s *Service) unsubscribe(j *alert.Job, topic alert.Topic) string {
	if topic == "" {
		topic = alert.TopicAlerts
	}
	project := j.Project
	if topic == alert.TopicReports {
		project = 0 // a report is of all projects
	}
	text := strconv.FormatInt(j.User, 10) + " " + strconv.FormatInt(project, 10) + " " + string(topic)
	return s.baseURL() + "/unsubscribe?token=" + url.QueryEscape(s.key.Seal([]byte(text), alert.UnsubscribeUse))
}
