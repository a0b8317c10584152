package symbol

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
)

// The types of processing errors that are made here.
// Rule: getsentry/sentry src/sentry/models/eventerror.py
const (
	typeFetch         = "js_generic_fetch_error"
	typeMissingSource = "js_missing_source"
	typeMissingMap    = "js_missing_sourcemap"
	typeInvalidMap    = "js_invalid_source"
	typeTooLarge      = "js_too_large"
	typeLocation      = "js_invalid_location"
	typeNoColumn      = "js_no_column"
)

var typeOf = map[artifact.Reason]string{artifact.NoMap: typeMissingSource, artifact.NoMapForScript: typeMissingMap, artifact.Unreadable: typeInvalidMap,
	artifact.TooBig: typeTooLarge, artifact.WrongPlace: typeLocation, artifact.NoLocation: typeLocation, artifact.NoColumn: typeNoColumn}

// notes adds processing errors to an event: for each script and reason one, at its first frame.
type notes struct {
	ev   *event.Event
	seen []string
}

// maxNotes bounds the errors of one event.
const maxNotes = 20

func (n *notes) add(reason artifact.Reason, detail, url, debugID, path string) {
	key := string(reason) + " " + url
	if slices.Contains(n.seen, key) || len(n.seen) >= maxNotes {
		return
	}
	n.seen = append(n.seen, key)
	value := map[string]string{"url": url, "reason": string(reason)}
	if detail != "" {
		value["message"] = detail
	}
	if debugID != "" {
		value["debug_id"] = debugID
	}
	n.ev.Errors = append(n.ev.Errors, event.ProcessingError{Type: typeOf[reason], Name: path, Value: quoted(value)})
}

func quoted(v map[string]string) event.Value {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // not possible for texts
	}
	return b
}

// withoutOwn leaves out what an earlier attempt noted.
func withoutOwn(list []event.ProcessingError) []event.ProcessingError {
	return slices.DeleteFunc(slices.Clone(list), func(e event.ProcessingError) bool {
		return strings.HasPrefix(e.Type, "js_") || strings.HasPrefix(e.Type, "proguard_") || slices.Contains([]string{typeNoDebugFile, typeBadDebugFile, typeNoSymbol, typeOutside}, e.Type)
	})
}

// usedKey names an artifact whose use was noted.
type usedKey struct {
	project, id int64
	day         int64
}

// noteUse keeps what is used from being removed as unused: once a day for each bundle and process.
func (s *Service) noteUse(ctx context.Context, project int64, files ...*artifact.File) {
	day := time.Now().Unix() / 86400
	for _, f := range files {
		if f == nil {
			continue
		}
		if !s.firstToday(usedKey{project, f.Bundle, day}) {
			continue
		}
		if err := s.store.TouchArtifacts(ctx, project, []int64{f.Bundle}, nil); err != nil {
			slog.WarnContext(ctx, "the use of an artifact was not noted", "err", err)
		}
	}
}

// noteDebugFileUse does for a debug file what noteUse does for bundles.
func (s *Service) noteDebugFileUse(ctx context.Context, project, id int64) {
	if !s.firstToday(usedKey{project, id, time.Now().Unix() / 86400}) {
		return
	}
	if err := s.store.TouchArtifacts(ctx, project, nil, []int64{id}); err != nil {
		slog.WarnContext(ctx, "the use of a debug file was not noted", "err", err)
	}
}

// firstToday reports whether a use is the first one of its day, and forgets those of other days.
func (s *Service) firstToday(key usedKey) bool {
	if _, noted := s.used.LoadOrStore(key, true); noted {
		return false
	}
	s.used.Range(func(k, _ any) bool {
		if k.(usedKey).day != key.day {
			s.used.Delete(k)
		}
		return true
	})
	return true
}
