package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func TestSettingsChangeOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, err := w.st.ConfigurationRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := w.st.ChangeSettings(t.Context(), 1, func(s *project.Settings) error {
				s.AllowedOrigins = append(s.AllowedOrigins, fmt.Sprintf("https://%d.example", i))
				s.Filters = json.RawMessage(`{"localhost": {"isEnabled": true}}`)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := w.st.Settings(t.Context(), 1)
	if err != nil || len(got.AllowedOrigins) != 8 || string(got.Filters) != `{"localhost": {"isEnabled": true}}` {
		t.Errorf("want 8 origins and filters, got %+v, %v", got, err)
	}
	list, err := w.st.Snapshots(t.Context())
	if err != nil || len(list) != 2 || string(list[0].Settings.Filters) != string(got.Filters) || list[1].Settings.Filters != nil {
		t.Errorf("want the settings in the snapshot of project 1 alone, got %+v, %v", list, err)
	}
	if after, err := w.st.ConfigurationRevision(t.Context()); err != nil || after < before+8 {
		t.Errorf("want a higher revision than %d, got %d, %v", before, after, err)
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refusal := errors.New("no")
	for name, c := range map[string]struct {
		project int64
		change  func(*project.Settings) error
		want    fault.Kind
	}{
		"no such project": {99, func(*project.Settings) error { return nil }, fault.Unknown},
		"a zero byte":     {1, func(s *project.Settings) error { s.Filters = json.RawMessage(`{"a":"\u0000"}`); return nil }, fault.Invalid},
		"no JSON":         {1, func(s *project.Settings) error { s.Scrubbing = json.RawMessage(`{`); return nil }, fault.Invalid},
		"refused":         {1, func(s *project.Settings) error { s.AllowedOrigins = []string{"x"}; return refusal }, fault.Internal},
	} {
		if _, err := w.st.ChangeSettings(t.Context(), c.project, c.change); fault.KindOf(err) != c.want {
			t.Errorf("%s: want %v, got %v", name, c.want, err)
		}
	}
	if got, err := w.st.Settings(t.Context(), 1); err != nil || got.AllowedOrigins != nil || got.Filters != nil {
		t.Errorf("want nothing changed, got %+v, %v", got, err)
	}
	if _, err := w.st.Settings(t.Context(), 99); fault.KindOf(err) != fault.Unknown {
		t.Errorf("want no such project, got %v", err)
	}
}
