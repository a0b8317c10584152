package ingest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// eventType is the item type under which a recorded request's event is queued; empty when it has
// none that is stored.
func eventType(r *sdk.Request) string {
	switch r.Kind {
	case sdk.KindSecurity:
		return "security"
	case sdk.KindStore:
		return "event"
	}
	for _, it := range r.Items {
		if it.Type == "event" {
			return "event"
		}
	}
	return ""
}

// replay sends a recorded request. Tunnels pass on what they get to the project's own path.
func (g *rig) replay(r *sdk.Request) reply {
	target := r.Target
	if !strings.HasPrefix(target, "/api/") {
		target = envelopePath
	}
	header := r.Header.Clone()
	for _, name := range []string{"Host", "Connection", "Content-Length", "Transfer-Encoding"} {
		header.Del(name)
	}
	c := call{path: target, body: string(r.Body), auth: "-", header: header}
	if v := header.Get("X-Sentry-Auth"); v != "" {
		c.auth = v
	}
	return g.do(c)
}

// TestEveryRecordedRequestIsAccepted sends what real clients sent to the real router and compares
// what the processor gets with what the recording says.
func TestEveryRecordedRequestIsAccepted(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	queued := 0
	for _, r := range sdk.Requests(t, sdk.KindEnvelope, sdk.KindStore, sdk.KindSecurity) {
		g.s.counts()
		g.forget() // some ids were sent more than once
		got := g.replay(&r)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", r.File, got.status, got.body)
			continue
		}
		typ := eventType(&r)
		for k, n := range g.s.counts() {
			if k.Reason == outcome.ReasonDuplicateItem || (k.Category == outcome.Error && k.Kind != outcome.ClientDiscard) || k.Category == outcome.UnknownItem || (k.Kind == outcome.Invalid && k.Reason != outcome.ReasonTimestamp) { // recorded sessions age
				t.Errorf("%s: counted %d of %+v", r.File, n, k)
			}
		}
		if typ == "" {
			continue
		}
		queued++
		if r.Kind == sdk.KindSecurity {
			continue // its id is new; see TestRecordedReportsBecomeEvents
		}
		var answer struct{ ID string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.ID != r.EventID {
			t.Errorf("%s: want id %s, got %s", r.File, r.EventID, got.body)
			continue
		}
		raw := g.wait(r.EventID)
		if raw.ItemType != typ || raw.Project != sdk.Project || raw.KeyID != 11 {
			t.Errorf("%s: queued as %s of project %d", r.File, raw.ItemType, raw.Project)
		}
		compareEvent(t, &r, raw)
	}
	if queued != 420 {
		t.Errorf("want 420 events, got %d", queued)
	}
}

// compareEvent holds the queued payload to what the recording says is on the wire.
func compareEvent(t *testing.T, r *sdk.Request, raw event.Raw) {
	t.Helper()
	for _, it := range r.Items {
		if it.Type == "event" && r.Kind == sdk.KindEnvelope && it.Bytes != len(raw.Payload) {
			t.Errorf("%s: want %d bytes of payload, got %d", r.File, it.Bytes, len(raw.Payload))
		}
	}
	ev, err := event.Decode(raw.Payload)
	if err != nil {
		t.Errorf("%s: %v", r.File, err)
		return
	}
	var types []string
	for _, x := range ev.Exceptions {
		types = append(types, x.Type)
	}
	type seen struct {
		Release, Environment, Platform string
		Types                          []string
	}
	want := seen{r.Expect.Release, r.Expect.Environment, r.Expect.Platform, r.Expect.ExceptionTypes}
	got := seen{ev.Release, ev.Environment, ev.Platform, types}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", r.File, diff)
	}
}
