package processor

import (
	"context"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// rehearse says what would become of an event if it were processed now. It stores nothing.
func (s *Service) rehearse(ctx context.Context, raw event.Raw) (issue.Rehearsal, error) {
	w := newWorker(len(raw.Payload))
	defer w.release()
	v := s.decodeOne(ctx, &raw, w)
	switch {
	case isFiltered(v.err):
		return issue.Rehearsal{Verdict: issue.WouldBeFiltered, Reason: string(v.err.(filtered))}, nil
	case fault.KindOf(v.err) == fault.Unavailable:
		return issue.Rehearsal{}, v.err
	case v.err != nil:
		return issue.Rehearsal{Verdict: issue.WouldFail, Reason: v.err.Error()}, nil
	case v.companion != nil:
		return issue.Rehearsal{Verdict: issue.WouldBeStored, Title: raw.ItemType}, nil
	}
	found, err := s.store.IssueOfHashes(ctx, raw.Project, v.record.Hashes)
	return issue.Rehearsal{Verdict: issue.WouldBeStored, Title: v.record.Title, Culprit: v.record.Culprit, Issue: found, NewIssue: found == 0}, err
}
