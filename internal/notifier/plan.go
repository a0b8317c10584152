package notifier

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// maxJobs is how many deliveries are stored in one transaction.
const maxJobs = 256

// plan queues the messages of rules that fired.
func (s *Service) plan(ctx context.Context, fired []firing) error {
	p := &planner{Service: s, now: time.Now(), destinations: map[int64]map[int64]alert.Destination{}}
	for i := range fired {
		if err := p.add(ctx, &fired[i]); err != nil {
			return err
		}
		if len(p.jobs) >= maxJobs {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	return p.flush(ctx)
}

// planner collects messages until they are stored.
type planner struct {
	*Service
	now          time.Time
	jobs         []alert.Job
	destinations map[int64]map[int64]alert.Destination // by project and id
}

func (p *planner) flush(ctx context.Context) error {
	err := p.enqueue(ctx, p.jobs)
	p.jobs = p.jobs[:0]
	return err
}

func (s *Service) enqueue(ctx context.Context, jobs []alert.Job) error {
	n, err := s.store.EnqueueDeliveries(ctx, jobs)
	if n > 0 {
		s.metrics.queued.Add(float64(n))
		s.nudge()
	}
	return err
}

// add makes the messages of one rule about one change, one for each place its actions name.
func (p *planner) add(ctx context.Context, f *firing) error {
	start := len(p.jobs)
	for i := range f.rule.Actions {
		a := &f.rule.Actions[i]
		notice, err := json.Marshal(alert.NoticeSeed{Change: f.change, Action: *a})
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode an alert of project %d", f.change.Project)
		}
		base := alert.Job{Notice: notice, Frequency: f.rule.Frequency, Delivery: alert.Delivery{
			Project: f.change.Project, Rule: f.rule.ID, Change: f.change.ID, Action: int16(i), Issue: f.change.Issue, Kind: alert.NoticeAlert}}
		if until, quiet := f.rule.Quiet.Until(p.now); quiet {
			base.QuietUntil = until
		}
		if a.Kind == alert.ActionDestination {
			err = p.toDestination(ctx, base, a.Destination)
		} else {
			err = p.toPeople(ctx, base, f, a)
		}
		if err != nil {
			return err
		}
	}
	if len(p.jobs) > start && f.rule.Escalation != nil {
		p.jobs[start].Escalation = f.rule.Escalation
	}
	return nil
}

// toDestination adds a message to a destination of the project's organization; one that is gone is
// left out.
func (p *planner) toDestination(ctx context.Context, j alert.Job, id int64) error {
	d, known, err := p.destination(ctx, j.Project, id)
	if err != nil || !known {
		return err
	}
	j.ID, j.Lane, j.Destination, j.Channel, j.Target, j.Noise = postgres.NewID(), d.Lane(), d.ID, d.Channel, d.Target, d.Noise
	p.jobs = append(p.jobs, j)
	return nil
}

func (p *planner) destination(ctx context.Context, project, id int64) (alert.Destination, bool, error) {
	if _, read := p.destinations[project][id]; !read {
		found, err := p.store.ProjectDestinations(ctx, project, []int64{id})
		if err != nil {
			return alert.Destination{}, false, err
		}
		if p.destinations[project] == nil {
			p.destinations[project] = map[int64]alert.Destination{}
		}
		p.destinations[project][id] = found[id]
	}
	d := p.destinations[project][id]
	return d, d.ID != 0, nil
}

// toPeople adds a message to each person that the action means.
func (p *planner) toPeople(ctx context.Context, j alert.Job, f *firing, a *alert.Action) error {
	people, err := p.people(ctx, f, a)
	if err != nil {
		return err
	}
	for _, r := range people {
		wanted, err := p.store.WantsMail(ctx, r.ID, j.Project, alert.TopicAlerts)
		if err != nil {
			return err
		}
		if !wanted || slices.Contains(f.rule.SnoozedFor, r.ID) {
			continue
		}
		p.jobs = append(p.jobs, personal(j, r))
	}
	return nil
}

// personal addresses a message to a person.
func personal(j alert.Job, r postgres.Recipient) alert.Job {
	j.ID, j.Lane, j.User, j.Channel, j.Target, j.Noise = postgres.NewID(), alert.PersonLane(r.ID), r.ID, alert.ChannelEmail, r.Email, alert.PersonalNoise
	return j
}

// people finds whom an action means.
func (p *planner) people(ctx context.Context, f *firing, a *alert.Action) ([]postgres.Recipient, error) {
	switch a.Kind {
	case alert.ActionMember:
		return p.store.Recipients(ctx, f.change.Project, []int64{a.Target})
	case alert.ActionTeam:
		return p.actors(ctx, f.change.Project, []string{"team:" + strconv.FormatInt(a.Target, 10)})
	}
	owners := f.change.Owners
	if len(owners) == 0 && f.change.Assignee != "" {
		owners = []string{f.change.Assignee}
	}
	people, err := p.actors(ctx, f.change.Project, owners)
	if err != nil || len(people) > 0 {
		return people, err
	}
	return p.store.FallRecipients(ctx, f.change.Project, a.Fallthrough, p.now)
}

// actors turns users and the members of teams into recipients, each once.
func (s *Service) actors(ctx context.Context, project int64, actors []string) ([]postgres.Recipient, error) {
	var users []int64
	for _, text := range actors {
		kind, id, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			continue
		}
		if kind != "team" {
			users = append(users, n)
			continue
		}
		members, err := s.store.TeamUsers(ctx, project, n)
		if err != nil {
			return nil, err
		}
		users = append(users, members...)
	}
	if len(users) == 0 {
		return nil, nil
	}
	return s.store.Recipients(ctx, project, users)
}

// resolvers are the channels that want to hear that an issue is resolved.
var resolvers = []string{alert.ChannelPagerDuty, alert.ChannelOpsgenie}

// settle tells pagers, which were alerted about an issue, that it is resolved.
func (s *Service) settle(ctx context.Context, c *issue.Change) error {
	lanes, err := s.store.SpokenLanes(ctx, c.Project, c.Issue, resolvers)
	if err != nil || len(lanes) == 0 {
		return err
	}
	notice, err := json.Marshal(alert.NoticeSeed{Change: *c})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode a resolution of project %d", c.Project)
	}
	var jobs []alert.Job
	for _, l := range lanes {
		jobs = append(jobs, alert.Job{Notice: notice, Delivery: alert.Delivery{ID: postgres.NewID(), Project: c.Project, Change: c.ID, Issue: c.Issue,
			Kind: alert.NoticeResolve, Lane: l.Lane, Destination: l.Destination, Channel: l.Channel, Target: l.Target}})
	}
	return s.enqueue(ctx, jobs)
}
