package api_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// groupEvents stores events as the processor does, each of an own exception type and value.
func (w *world) groupEvents(kinds ...[2]string) (ids []event.ID) {
	w.t.Helper()
	before := int(w.scalar("select count(*) from events"))
	var records []postgres.Record
	for i, kind := range kinds {
		raw := event.Raw{Project: 1, KeyID: 9, ID: eventID("grouped "+strings.Join(kind[:], " "), i), ReceivedAt: noon.Add(time.Duration(before+i) * time.Second)}
		text := fmt.Sprintf(`{"platform":"python","transaction":"/cart","exception":{"values":[{"type":%q,"value":%q}]}}`, kind[0], kind[1])
		ev, err := event.Decode([]byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		ev.ID, ev.Project = raw.ID, 1
		ev.Normalize(raw.Delivery(90 * 24 * time.Hour))
		settings, err := w.st.Settings(w.t.Context(), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		g, err := grouping.ReadSettings(settings.Grouping)
		if err != nil {
			w.t.Fatal(err)
		}
		made := grouping.Compile(g).Assign(ev, raw.ReceivedAt)
		m := ev.Metadata()
		rec := postgres.Record{Project: 1, KeyID: 9, ID: raw.ID, ReceivedAt: raw.ReceivedAt, OccurredAt: raw.ReceivedAt, Category: outcome.Error, Type: ev.Type,
			Level: ev.Level, Platform: ev.Platform, Title: m.Title, Metadata: m, Tags: ev.Tags, Payload: ev.AppendJSON(nil)}
		for _, h := range made.Hashes {
			rec.Hashes = append(rec.Hashes, h)
		}
		records, ids = append(records, rec), append(ids, raw.ID)
	}
	if _, err := w.st.RecordEvents(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func TestGroupingRulesAreCheckedBeforeTheyHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"fingerprintingRules":"type:A -> a\ntype:B a"}`:  `{"fingerprintingRules":["line 2, column 9: a colon is expected after \"a\""]}`,
		`{"fingerprintingRules":"colour:red -> a"}`:        `{"fingerprintingRules":["line 1, column 1: \"colour\" is no condition of fingerprint rules"]}`,
		`{"groupingEnhancements":"\n\npath:**/vendor/**"}`: `{"groupingEnhancements":["line 3, column 18: a rule needs at least one action"]}`,
		`{"groupingConfig":"legacy"}`:                      `{"groupingConfig":["Not a version of grouping; newstyle:2026-01-20 and newstyle:2023-01-11 are."]}`,
	} {
		for _, path := range []string{shop, ourShop + "grouping/"} {
			if got := strings.TrimSpace(string(w.want(400, "PUT", path, body).body)); got != want {
				t.Errorf("PUT %s %s:\nwant %s\ngot  %s", path, body, want, got)
			}
		}
	}
	w.want(400, "PUT", ourShop+"grouping/", `{"fingerprintingRules":"`+strings.Repeat("type:A -> a\\n", 1001)+`"}`)
	rules := "type:A -> a {{ transaction }}\n"
	var detail map[string]any
	w.want(200, "PUT", shop, `{"fingerprintingRules":"type:A -> a {{ transaction }}\n","groupingEnhancements":"family:native +app","groupingConfig":"newstyle:2023-01-11"}`).json(t, &detail)
	if detail["fingerprintingRules"] != rules || detail["groupingEnhancements"] != "family:native +app" || detail["groupingConfig"] != grouping.Newstyle2023 ||
		detail["secondaryGroupingConfig"] != grouping.Newstyle2026 || detail["secondaryGroupingExpiry"].(float64) < float64(time.Now().Unix()) {
		t.Errorf("the project says %v", detail)
	}
	var ours map[string]any
	w.want(200, "GET", ourShop+"grouping/").json(t, &ours)
	if ours["pinned"] != true || ours["groupingConfig"] != grouping.Newstyle2023 || ours["fingerprintingRules"] != rules {
		t.Errorf("grouping says %v", ours)
	}
	reader := "Bearer " + w.tokenWith("project:read")
	if a := w.callAs(reader, "PUT", ourShop+"grouping/", `{}`); a.status != 403 {
		t.Errorf("PUT with project:read: %d", a.status)
	}
}

func TestRulesAreTriedOnStoredEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kinds := [][2]string{{"A", "one"}, {"A", "two"}, {"B", "three"}, {"C", "four"}}
	w.groupEvents(kinds...)
	var f struct {
		Events, Moved, IssuesSplit, IssuesJoined int
		Joins                                    []struct {
			Events int
			Issue  *string
			Issues []struct{ ShortID, Title string }
		}
		Splits []struct {
			ShortID string
			Parts   []struct{ Events int }
		}
	}
	w.want(200, "POST", ourShop+"grouping/preview/", `{"fingerprintingRules":"type:A -> all of A"}`).json(t, &f)
	if f.Events != 4 || f.Moved != 2 || f.IssuesSplit != 0 || f.IssuesJoined != 2 || len(f.Joins) != 1 || f.Joins[0].Events != 2 || f.Joins[0].Issue != nil || len(f.Joins[0].Issues) != 2 {
		t.Errorf("a rule that joins: %+v", f)
	}
	w.want(200, "PUT", ourShop+"grouping/", `{"fingerprintingRules":"value:* -> everything"}`)
	w.groupEvents([2]string{"D", "five"}, [2]string{"E", "six"}, [2]string{"E", "seven"})
	w.want(200, "POST", ourShop+"grouping/preview/", `{"fingerprintingRules":"type:D -> D","events":3}`).json(t, &f)
	if f.Events != 3 || f.Moved != 3 || f.IssuesSplit != 1 || len(f.Splits) != 1 || len(f.Splits[0].Parts) != 3 {
		t.Errorf("a rule that splits: %+v", f)
	}
	w.want(200, "POST", ourShop+"grouping/preview/", `{}`).json(t, &f)
	if f.Events != 7 || f.IssuesSplit != 0 {
		t.Errorf("the rules in force: %+v", f)
	}
	w.want(400, "POST", ourShop+"grouping/preview/", `{"fingerprintingRules":"x"}`)
	w.want(400, "POST", ourShop+"grouping/preview/", `{"events":0}`)
}

func TestAnEventSaysWhyItIsGrouped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type variant struct {
		Type        string
		Hash, Hint  *string
		Contributes bool
		Mismatch    bool `json:"hashMismatch"`
		Values      []string
		Rule        *string `json:"matched_rule"`
	}
	id := w.groupEvents([2]string{"A", "user 17"})[0]
	path := shop + "events/" + id.String() + "/grouping-info/"
	var got map[string]variant
	w.want(200, "GET", path).json(t, &got)
	sum := md5.Sum([]byte("A" + "user <int>"))
	want := map[string]variant{"app": {Type: "component", Hash: new(hex.EncodeToString(sum[:])), Contributes: true, Values: []string{"A", "user <int>"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.want(200, "PUT", ourShop+"grouping/", `{"fingerprintingRules":"type:A -> mine"}`)
	got = nil
	w.want(200, "GET", path).json(t, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules made later are not those it met (-want +got):\n%s", diff)
	}
	id = w.groupEvents([2]string{"A", "user 18"})[0]
	w.want(200, "PUT", ourShop+"grouping/", `{"fingerprintingRules":""}`)
	got = nil
	w.want(200, "GET", shop+"events/"+id.String()+"/grouping-info/").json(t, &got)
	own := got["custom_server_fingerprint"]
	if own.Type != "custom-fingerprint" || !cmp.Equal(own.Values, []string{"mine"}) || own.Rule == nil || *own.Rule != `type:"A" -> "mine"` || own.Mismatch || got["app"].Hint == nil {
		t.Errorf("%+v", got)
	}
	w.want(404, "GET", shop+"events/"+strings.Repeat("0", 32)+"/grouping-info/")
	w.want(404, "GET", shop+"events/nothing/grouping-info/")
}
