package ingest

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// unnamed is what a file without a name is called.
// Rule: getsentry/sentry src/sentry/attachments/base.py
const unnamed = "Unnamed Attachment"

// keepCompanions makes what belongs to the envelope's event durable: the bytes of files in the blob
// store, then a record of each in the queue. Each that fails is counted, and the first failure is
// returned, so that the client learns that not all is safe.
func (s *Service) keepCompanions(ctx context.Context, q *request, env *envelope.Envelope, p *plan, rec *receipt) error {
	if p.limited {
		return nil
	}
	var first error
	for i := range env.Items {
		it := &env.Items[i]
		if !specOf(it).companion || p.done != nil && p.done[i] {
			continue
		}
		if p.done == nil {
			p.done = make([]bool, len(env.Items))
		}
		p.done[i] = true
		if int64(len(it.Payload)) > s.cfg.MaxEventBytes && it.Type != event.ItemAttachment {
			s.dropItem(q, env.Items, i, outcome.Invalid, outcome.ReasonTooLarge+":"+it.Type)
			continue
		}
		if err := s.keepCompanion(ctx, q, p.id, i, it); err != nil {
			kind, reason := lost(err, rec)
			s.dropItem(q, env.Items, i, kind, reason)
			if first == nil {
				first = err
			}
		}
	}
	return first
}

func (s *Service) keepCompanion(ctx context.Context, q *request, id event.ID, place int, it *envelope.Item) error {
	payload := it.Payload
	if it.Type == event.ItemAttachment {
		file, err := s.keepFile(ctx, q, id, place, it)
		if err != nil {
			return err
		}
		if payload, err = json.Marshal(file); err != nil {
			return fault.Wrap(err, fault.Internal, "encode an attachment")
		}
	}
	raw := q.raw(it.Type, id, payload)
	err := s.store(ctx, &raw)
	if err == nil && it.Type == event.ItemAttachment { // an attachment counts twice, as itself and by its bytes
		s.received.Add(outcome.Key{Project: raw.Project, KeyID: raw.KeyID, Category: outcome.Attachment, Kind: outcome.Received, Minute: raw.ReceivedAt},
			max(int64(len(it.Payload)), 1))
	}
	return err
}

// keepFile stores the bytes of a file, after it masked what the project does not want kept. A client
// that leaves does not stop it.
func (s *Service) keepFile(ctx context.Context, q *request, id event.ID, place int, it *envelope.Item) (event.Attachment, error) {
	q.client.files.mask(it.Filename, it.Payload)
	sum := sha1.Sum(it.Payload)
	file := event.Attachment{Name: clip(it.Filename, maxFileName), ContentType: clip(it.ContentType, maxFileName), Type: it.AttachmentType,
		Size: int64(len(it.Payload)), SHA1: sum[:]}
	if file.Name == "" {
		file.Name = unnamed
	}
	if file.Type == "" {
		file.Type = event.DefaultAttachment
	}
	file.ID = attachmentID(id, place, &file)
	if file.Size == 0 {
		return file, nil
	}
	var err error
	file.Blob, err = s.blobs.Put(context.WithoutCancel(ctx), q.client.project, q.receivedAt, it.Payload)
	return file, err
}

// maxFileName is how many bytes of a file's name and type are kept.
const maxFileName = 512

// attachmentID is the same for the same file at the same place of what a client sends again.
func attachmentID(id event.ID, place int, file *event.Attachment) int64 {
	b := append(id[:], byte(place>>8), byte(place))
	b = append(append(b, file.SHA1...), file.Name...)
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// dropItem counts item i of a list as not kept. A crash report counts as an error only where no
// event of the envelope does.
func (s *Service) dropItem(q *request, list []envelope.Item, i int, kind outcome.Kind, reason string) {
	withEvent := false
	for j := range list {
		withEvent = withEvent || list[j].Type == "event"
	}
	spec := specOf(&list[i])
	quantities(&list[i], spec, func(c outcome.Category, n int64) {
		if c != outcome.Error || spec.event || !withEvent {
			s.drop(q, c, kind, reason, n)
		}
	})
}
