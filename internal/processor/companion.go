package processor

import (
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// errSilent is the verdict on feedback that says nothing.
var errSilent = fault.New(fault.Invalid, "the feedback has no message")

// isCompanion reports whether messages of an item type are kept beside events.
func isCompanion(itemType string) bool {
	return itemType == event.ItemAttachment || itemType == event.ItemUserReport || itemType == event.ItemFeedback
}

// companion reads what is kept beside events: a stored file, or what a user wrote.
func (s *Service) companion(raw *event.Raw) (*postgres.Companion, error) {
	c := &postgres.Companion{Project: raw.Project, KeyID: raw.KeyID, Event: raw.ID, ReceivedAt: raw.ReceivedAt.Truncate(time.Microsecond)}
	if raw.ItemType == event.ItemAttachment {
		c.Attachment = &event.Attachment{}
		if err := json.Unmarshal(raw.Payload, c.Attachment); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "decode a queued attachment")
		}
		return c, nil
	}
	words, ok := event.DecodeUserReport(raw.Payload, raw.ID)
	if raw.ItemType == event.ItemFeedback {
		ev, err := event.Decode(raw.Payload)
		if err != nil {
			return nil, err
		}
		ev.ID, ev.Project = raw.ID, raw.Project
		ev.Normalize(raw.Delivery(s.retention))
		words, ok = ev.Feedback()
	}
	if !ok {
		return nil, errSilent
	}
	c.Feedback = &words
	return c, nil
}
