package notifier

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// tellPeople sends what concerns people themselves: an issue is given to them, a comment names them,
// something happens to an issue they are subscribed to. Nobody hears of what they did themselves.
func (s *Service) tellPeople(ctx context.Context, c *issue.Change) error {
	switch c.Kind {
	case issue.ChangeResolved:
		if err := s.settle(ctx, c); err != nil {
			return err
		}
		return s.tellSubscribers(ctx, c, nil)
	case issue.ChangeAssigned:
		return s.tellAssignee(ctx, c)
	case issue.ChangeCommented:
		return s.tellMentioned(ctx, c)
	case issue.ChangeRegressed:
		return s.tellSubscribers(ctx, c, nil)
	}
	return nil
}

func (s *Service) tellAssignee(ctx context.Context, c *issue.Change) error {
	people, err := s.actors(ctx, c.Project, []string{c.Assignee})
	if err != nil {
		return err
	}
	team := strings.HasPrefix(c.Assignee, "team:")
	reason := "This issue was assigned to you."
	if team {
		reason = "This issue was assigned to a team of yours."
	}
	return s.write(ctx, c, people, alert.TopicAssigned, reason)
}

func (s *Service) tellMentioned(ctx context.Context, c *issue.Change) error {
	members, err := s.store.ProjectMembers(ctx, c.Project)
	if err != nil {
		return err
	}
	mentioned := mentions(c.Text, members)
	told := map[int64]bool{}
	for _, r := range mentioned {
		told[r.ID] = true
		if err := s.store.Subscribe(ctx, c.Project, c.Issue, r.ID, issue.ReasonMentioned); err != nil {
			return err
		}
	}
	if err := s.write(ctx, c, mentioned, alert.TopicMentioned, "You were mentioned in a comment."); err != nil {
		return err
	}
	return s.tellSubscribers(ctx, c, told)
}

func (s *Service) tellSubscribers(ctx context.Context, c *issue.Change, told map[int64]bool) error {
	people, err := s.store.Subscribers(ctx, c.Project, c.Issue)
	if err != nil {
		return err
	}
	var rest []postgres.Recipient
	for _, r := range people {
		if !told[r.ID] {
			rest = append(rest, r)
		}
	}
	return s.write(ctx, c, rest, alert.TopicWorkflow, "You are subscribed to this issue.")
}

// write queues a message to each of the people who wants the topic and did not make the change.
func (s *Service) write(ctx context.Context, c *issue.Change, people []postgres.Recipient, topic alert.Topic, reason string) error {
	var jobs []alert.Job
	for _, r := range people {
		if r.ID == c.Actor || !strings.Contains(r.Email, "@") {
			continue
		}
		wanted, err := s.store.WantsMail(ctx, r.ID, c.Project, topic)
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		notice, err := json.Marshal(alert.NoticeSeed{Change: *c, Reason: reason, Topic: topic})
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode a message about issue %d", c.Issue)
		}
		j := personal(alert.Job{Notice: notice, Delivery: alert.Delivery{Project: c.Project, Change: c.ID, Issue: c.Issue, Kind: alert.NoticePersonal}}, r)
		j.Noise.Budget = personalBudget
		jobs = append(jobs, j)
	}
	return s.enqueue(ctx, jobs)
}

// personalBudget is how many messages about what others did come one by one.
const personalBudget = 10

// mentions finds whom a comment names: @ and an address, the part of an address before its @, a
// name without its spaces, or "user:" and an id.
func mentions(text string, members []postgres.Recipient) []postgres.Recipient {
	names := map[string]bool{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("()[]<>{},;\"'*`!?", r) }) {
		if name, ok := strings.CutPrefix(word, "@"); ok && name != "" {
			names[strings.ToLower(strings.TrimRight(name, ".:"))] = true
		}
	}
	var found []postgres.Recipient
	for _, m := range members {
		local, _, _ := strings.Cut(m.Email, "@")
		for _, name := range []string{m.Email, local, strings.ReplaceAll(m.Name, " ", ""), "user:" + strconv.FormatInt(m.ID, 10)} {
			if name != "" && names[strings.ToLower(name)] {
				found = append(found, m)
				break
			}
		}
	}
	return found
}
