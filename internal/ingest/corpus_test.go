package ingest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/envelope"
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
	fates := map[string]*fate{}
	for _, r := range sdk.Requests(t, sdk.KindEnvelope, sdk.KindStore, sdk.KindSecurity) {
		g.s.counts()
		g.s.received.Take()
		g.forget() // some ids were sent more than once
		got := g.replay(&r)
		f := fates[family(&r)]
		if f == nil {
			f = &fate{}
			fates[family(&r)] = f
		}
		f.requests++
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", r.File, got.status, got.body)
			continue
		}
		f.accepted++
		typ := eventType(&r)
		counts := g.s.counts()
		g.settle(&r, f, counts)
		for k, n := range counts {
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
	t.Log("\n" + fateTable(fates))
}

// fate is what became of what one SDK sent.
type fate struct{ requests, accepted, items, queued, counted, invalid, discards int }

func family(r *sdk.Request) string { dir, _, _ := strings.Cut(r.File, "/"); return dir }

// settle sees that every item of a request is in the queue, counted as what it is, or tells of what the
// client dropped itself; and that nothing is received without an outcome to come.
func (g *rig) settle(r *sdk.Request, f *fate, counts map[outcome.Key]int64) {
	g.t.Helper()
	open := map[outcome.Category]int64{} // received, less what has its outcome here: what the processor settles
	for _, c := range g.s.received.Take() {
		open[c.Category] += c.Quantity
	}
	settled := map[outcome.Category]int64{}
	discards := int64(0)
	for k, n := range counts {
		switch k.Kind {
		case outcome.ClientDiscard:
			discards += n
			continue
		case outcome.Invalid:
			f.invalid += int(n)
		}
		settled[k.Category] += n
		open[k.Category] -= n
	}
	f.discards += int(discards)
	list := r.Items
	switch r.Kind {
	case sdk.KindStore:
		list = []sdk.Item{{Type: "event"}}
	case sdk.KindSecurity:
		list = []sdk.Item{{Type: "security"}}
	}
	for i := range list {
		it := &envelope.Item{Type: list[i].Type, Count: -1}
		spec := specOf(it)
		f.items++
		switch {
		case spec.counting == countReport:
			if discards == 0 {
				g.t.Errorf("%s: a client report counts nothing", r.File)
			}
			f.counted++
		case spec.stored, spec.companion:
			c := spec.category
			if it.Type == event.ItemAttachment {
				c = outcome.AttachmentItem
			}
			if open[c]--; open[c] < 0 {
				g.t.Errorf("%s: %s number %d is not in the queue", r.File, it.Type, i)
			}
			f.queued++
		default:
			if settled[spec.category] == 0 && it.Type == "profile_chunk" {
				spec.category = outcome.ProfileChunkUI // its header names a browser
			}
			if settled[spec.category]--; settled[spec.category] < 0 {
				g.t.Errorf("%s: %s number %d has no outcome", r.File, it.Type, i)
			}
			f.counted++
		}
	}
	for c, n := range open {
		if n != 0 && c != outcome.Attachment { // by their bytes, which the recordings do not tell
			g.t.Errorf("%s: %d of %s are received and not accounted for", r.File, n, c)
		}
	}
}

func fateTable(fates map[string]*fate) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	var sum fate
	fmt.Fprintln(w, "SDK\trequests\tanswered 2xx\titems\tqueued\tcounted\tof them too old\tclient drops\t")
	for _, name := range slices.Sorted(maps.Keys(fates)) {
		f := fates[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, f.requests, f.accepted, f.items, f.queued, f.counted, f.invalid, f.discards)
		sum = fate{sum.requests + f.requests, sum.accepted + f.accepted, sum.items + f.items, sum.queued + f.queued, sum.counted + f.counted,
			sum.invalid + f.invalid, sum.discards + f.discards}
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", sum.requests, sum.accepted, sum.items, sum.queued, sum.counted, sum.invalid, sum.discards)
	_ = w.Flush() // into memory
	return b.String()
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
