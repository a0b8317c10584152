package symbol

import (
	"bytes"
	"context"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Again makes the stacks of a stored event readable from how they came, with what is uploaded now,
// and returns the event as it is to be stored. It returns nil when nothing changed, and when fewer
// frames would be resolved than are, because what they were resolved with is gone. The event that is
// given must not be used after it. fault.Unavailable: what is uploaded cannot be read now.
func (s *Service) Again(ctx context.Context, project int64, ev *event.Event) (*event.Event, error) {
	revision, err := s.store.ArtifactRevision(ctx, project)
	if err != nil || revision == 0 && s.outside == nil {
		return nil, err
	}
	ev.Project = project
	had, before := resolved(ev), ev.AppendJSON(nil)
	fresh := AsCame(ev)
	fresh.Errors = withoutOwn(ev.Errors)
	anew := s.unwindDump(ctx, fresh, revision) && !isWalked(ev.Exceptions[0].Stacktrace) // which leaves out what was no call
	s.walkDump(ctx, fresh)
	s.Apply(ctx, fresh, revision)
	for _, e := range fresh.Errors {
		if e.Type == typeFetch {
			return nil, fault.New(fault.Unavailable, "what was uploaded could not be read now")
		}
	}
	if resolved(fresh) < had && !anew || bytes.Equal(before, fresh.AppendJSON(nil)) {
		return nil, nil
	}
	return fresh, nil
}

// resolved is how many frames of an event were resolved.
func resolved(ev *event.Event) (n int) {
	for _, st := range stacks(ev) {
		n += resolvedIn(st.trace)
	}
	return n
}

func resolvedIn(trace *event.Stacktrace) (n int) {
	if trace == nil {
		return 0
	}
	for i := range trace.Frames {
		if artifact.IsResolved(&trace.Frames[i]) {
			n++
		}
	}
	return n
}
