package processor

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// errSilent is the verdict on feedback that says nothing.
var errSilent = fault.New(fault.Invalid, "the feedback has no message")

// companion reads what is kept beside events: a stored file, or what a user wrote.
func (s *Service) companion(ctx context.Context, raw *event.Raw, w *worker) (*postgres.Companion, error) {
	c := &postgres.Companion{Project: raw.Project, KeyID: raw.KeyID, Event: raw.ID, ReceivedAt: raw.ReceivedAt.Truncate(time.Microsecond)}
	if raw.ItemType == event.ItemAttachment {
		c.Attachment = &event.Attachment{}
		if err := json.Unmarshal(raw.Payload, c.Attachment); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "decode a queued attachment")
		}
		return c, nil
	}
	if raw.ItemType == event.ItemUserReport {
		return c, s.userReport(ctx, raw, c, w)
	}
	ev, _, err := s.read(ctx, raw, w)
	if err != nil {
		return nil, err
	}
	words, ok := ev.Feedback()
	if !ok {
		return nil, errSilent
	}
	c.Feedback = &words
	return c, s.scrubWords(ctx, raw.Project, &words)
}

// scrubWords removes the secrets that a user wrote down; names and contacts are what they are for.
func (s *Service) scrubWords(ctx context.Context, project int64, f *event.Feedback) error {
	rules, err := s.policies.of(ctx, project)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "learn what project %d wants", project)
	}
	f.Message, f.URL = rules.scrubber.Words(f.Message), rules.scrubber.Words(f.URL)
	return nil
}

// userReport reads what a user wrote about an event. It is scrubbed as the feedback that it is.
func (s *Service) userReport(ctx context.Context, raw *event.Raw, c *postgres.Companion, w *worker) error {
	words, ok := event.DecodeUserReport(raw.Payload, raw.ID)
	if !ok {
		return errSilent
	}
	payload, err := json.Marshal(map[string]any{"type": "feedback", "contexts": map[string]any{
		"feedback": map[string]string{"message": words.Message, "contact_email": words.Email, "name": words.Name}}})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode a user report")
	}
	report := *raw
	report.Payload = payload
	ev, _, err := s.read(ctx, &report, w)
	if err != nil {
		return err
	}
	left, _ := ev.Feedback() // what was scrubbed away is not kept, the rest is
	words.Message, words.Email, words.Name = left.Message, left.Email, left.Name
	c.Feedback = &words
	return s.scrubWords(ctx, raw.Project, &words)
}
