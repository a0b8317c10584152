package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// localhost reports whether a policy drops what comes from the machine of a developer.
func localhost(p *policy) bool {
	_, drop := p.filter.Check(&event.Event{Request: &event.Request{URL: "http://localhost/"}}, raw(0, "").ClientIP)
	return drop
}

func settings(filters string) project.Settings {
	return project.Settings{Filters: json.RawMessage(filters)}
}

const dropsLocalhost = `{"localhost":{"isEnabled":true}}`

func TestAPolicyFollowsTheSettings(t *testing.T) {
	t.Parallel()
	asked := 0
	p := newPolicies(func(context.Context, int64) (project.Settings, error) {
		asked++
		return settings(dropsLocalhost), nil
	})
	want := func(when string, drops bool) {
		t.Helper()
		for range 2 {
			if got, err := p.of(t.Context(), 7); err != nil || localhost(got) != drops {
				t.Errorf("%s: want localhost dropped %t, got %v", when, drops, err)
			}
		}
	}
	want("before the bucket told", true)
	p.take("7", &project.Snapshot{})
	want("told of defaults", false)
	p.take("7", &project.Snapshot{Settings: settings(dropsLocalhost)})
	want("changed", true)
	p.take("7", &project.Snapshot{Settings: settings(`{"clientIps":{"blacklistedIps":["nonsense"]}}`)})
	want("changed to nonsense", true) // as it was
	p.take("7", &project.Snapshot{Settings: settings(`{}`)})
	want("mended", false)
	if asked != 1 {
		t.Errorf("want the database asked once, got %d", asked)
	}
	p.take("7", nil)
	want("deleted, as far as the bucket knows", true)
	p.take("no number", &project.Snapshot{})
}

func TestAPolicyIsNeverGuessed(t *testing.T) {
	t.Parallel()
	answer := fault.New(fault.Unavailable, "away")
	p := newPolicies(func(context.Context, int64) (project.Settings, error) { return project.Settings{}, answer })
	if got, err := p.of(t.Context(), 7); !errors.Is(err, answer) || got != nil {
		t.Errorf("want no policy while the database is away, got %v, %v", got, err)
	}
	answer = fault.New(fault.Unknown, "no such project")
	if got, err := p.of(t.Context(), 7); err != nil || got != defaultPolicy() {
		t.Errorf("want the default policy for a project that is gone, got %v, %v", got, err)
	}
}

func TestCompiledPoliciesAreBounded(t *testing.T) {
	t.Parallel()
	p := newPolicies(nil)
	for i := range 2 * maxCompiled {
		p.take(strconv.Itoa(i), &project.Snapshot{Settings: settings(fmt.Sprintf(`{"releases":{"releases":["r%d"]},"localhost":{"isEnabled":true}}`, i))})
	}
	for i := range 2 * maxCompiled {
		if got, err := p.of(t.Context(), int64(i)); err != nil || !localhost(got) {
			t.Fatalf("project %d: %v", i, err)
		}
	}
	held := 0
	for _, s := range p.stances {
		if s.ready != nil {
			held++
		}
	}
	if held != maxCompiled || p.compiled != held {
		t.Errorf("want %d policies held, got %d counted as %d", maxCompiled, held, p.compiled)
	}
}

func TestGroupingFollowsTheSettings(t *testing.T) {
	t.Parallel()
	p := newPolicies(func(context.Context, int64) (project.Settings, error) { return project.Settings{}, nil })
	grouped := func() string {
		got, err := p.of(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		ev := &event.Event{Platform: "python", Exceptions: []event.Exception{{Type: "A", Value: "b"}}}
		r := got.groups.Assign(ev, time.Now())
		return fmt.Sprintf("%v %s %d %v", r.Fingerprint, ev.GroupedBy, len(ev.Errors), got.thinning)
	}
	with := func(text string) {
		s := project.Settings{Grouping: json.RawMessage(text), Retention: project.Retention{KeepFirst: 100, KeepOneIn: 5}}
		p.take("7", &project.Snapshot{Settings: s})
	}
	if got := grouped(); got != "[{{ default }}] newstyle:2026-01-20 0 {0 0}" {
		t.Errorf("a new project: %s", got)
	}
	with(`{"fingerprints":"type:A -> mine"}`)
	if got := grouped(); got != "[mine] newstyle:2026-01-20+"+digest(t, "type:A -> mine")+" 0 {100 5}" {
		t.Errorf("with a rule: %s", got)
	}
	with(`{"fingerprints":"type:A ->"}`)
	if got := grouped(); !strings.HasPrefix(got, "[{{ default }}]") || !strings.Contains(got, " 1 ") {
		t.Errorf("with a rule that cannot be used: %s", got)
	}
}

func digest(t *testing.T, fingerprints string) string {
	t.Helper()
	return grouping.Settings{Fingerprints: fingerprints}.Digest()
}
