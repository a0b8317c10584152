package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// tally is one row of the table by SDK.
type tally struct{ sent, accepted, events, stored, right int }

// TestEveryRecordedEventIsStored replays what real SDKs sent, byte for byte, against the built
// program, and compares each stored event with what the request said.
func TestEveryRecordedEventIsStored(t *testing.T) {
	t.Parallel()
	in := upForRecordings(t)
	rows := map[string]*tally{}
	wanted := map[string]sdk.Request{} // by event id: the first request wins, as in the store
	var reports []*tally               // the row of each security report
	for _, r := range sdk.Requests(t, sdk.KindEnvelope, sdk.KindStore, sdk.KindSecurity) {
		row := rows[family(r)]
		if row == nil {
			row = new(tally)
			rows[family(r)] = row
		}
		row.sent++
		status, id := in.replay(t, r)
		if status < 200 || status > 299 {
			t.Errorf("%s: answered %d", r.File, status)
			continue
		}
		row.accepted++
		if r.Kind == sdk.KindSecurity { // browsers are told no id
			row.events++
			reports = append(reports, row)
			continue
		}
		if !carriesEvent(r) {
			continue
		}
		if _, again := wanted[id]; !again {
			wanted[id] = r
			row.events++
		}
	}
	if len(wanted) < 400 {
		t.Fatalf("only %d recorded requests carry an event", len(wanted))
	}
	for id, r := range wanted {
		got, err := in.stored(t.Context(), id)
		if err != nil {
			t.Errorf("%s: event %s: %v", r.File, id, err)
			continue
		}
		rows[family(r)].stored++
		said := expected(r)
		maps.DeleteFunc(got.Tags, func(k, _ string) bool { _, sent := said.Tags[k]; return !sent })
		if diff := cmp.Diff(said, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: event %s (-said +stored):\n%s", r.File, id, diff)
			continue
		}
		rows[family(r)].right++
	}
	in.await("the browsers' security reports", 30*time.Second, func(ctx context.Context) error {
		var issues []struct{ Type, Count string }
		if err := in.api(ctx, "organizations/"+in.Organization+"/issues/?query=Blocked&limit=100", &issues); err != nil {
			return err
		}
		n := 0
		for _, i := range issues {
			if count, err := strconv.Atoi(i.Count); err == nil && i.Type == "csp" {
				n += count
			}
		}
		if n != len(reports) {
			return fmt.Errorf("%d of %d are stored", n, len(reports))
		}
		return nil
	})
	for _, row := range reports {
		row.stored++
		row.right++
	}
	t.Log("\n" + table(rows))
}

func family(r sdk.Request) string { dir, _, _ := strings.Cut(r.File, "/"); return dir }

func carriesEvent(r sdk.Request) bool {
	if r.Kind == sdk.KindStore {
		return r.Expect.EventType != "transaction"
	}
	return slices.ContainsFunc(r.Items, func(i sdk.Item) bool { return i.Type == "event" })
}

func table(rows map[string]*tally) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	var sum tally
	fmt.Fprintln(w, "SDK\trequests\tanswered 2xx\tevents\tstored\tas sent\t")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", name, r.sent, r.accepted, r.events, r.stored, r.right)
		sum = tally{sum.sent + r.sent, sum.accepted + r.accepted, sum.events + r.events, sum.stored + r.stored, sum.right + r.right}
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%d\t%d\t%d\t\n", sum.sent, sum.accepted, sum.events, sum.stored, sum.right)
	w.Flush()
	return b.String()
}

// upForRecordings starts tocsin with the key that the recorded clients were configured with.
func upForRecordings(t *testing.T) *instance {
	t.Helper()
	in := &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}
	db := in.prepare(t)
	if _, err := db.Exec(t.Context(), `update client_keys set public_key = $1`, sdk.Key); err != nil {
		t.Fatal(err)
	}
	if in.ProjectID != fmt.Sprint(sdk.Project) {
		t.Fatalf("the first project has number %s, the recordings name %d", in.ProjectID, sdk.Project)
	}
	in.start(t)
	return in
}

// replay sends one recorded request and returns the status and the id of its event.
func (in *instance) replay(t *testing.T, r sdk.Request) (int, string) {
	t.Helper()
	target := r.Target
	if strings.Contains(r.Path, "tunnel") { // a tunnel forwards to the project's own endpoint
		target = "/api/1/envelope/"
	}
	req, err := http.NewRequestWithContext(t.Context(), r.Method, in.URL+target, strings.NewReader(string(r.Body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.Header.Clone()
	for _, h := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding"} {
		req.Header.Del(h)
	}
	res, err := recorded.Do(req)
	if err != nil {
		t.Errorf("%s: %v", r.File, err)
		return 0, ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode > 299 {
		t.Logf("%s: %s", r.File, body)
	}
	var answer struct{ ID string }
	_ = json.Unmarshal(body, &answer)
	if r.EventID != "" {
		if answer.ID != r.EventID && carriesEvent(r) {
			t.Errorf("%s: answered id %q, sent %q", r.File, answer.ID, r.EventID)
		}
		return res.StatusCode, r.EventID
	}
	return res.StatusCode, answer.ID
}

var recorded = &http.Client{Timeout: 10 * time.Second}

// said is what a stored event is compared by.
type said struct {
	Types, Values                        []string
	Message, Level, Release, Environment string
	UserID                               string
	Tags                                 map[string]string
}

func expected(r sdk.Request) said {
	e := r.Expect
	s := said{Types: e.ExceptionTypes, Message: e.Message, Level: e.Level,
		Release: e.Release, Environment: e.Environment, UserID: e.UserID, Tags: map[string]string{}}
	if s.Level == "" {
		s.Level = "error" // the protocol's default
	}
	var sent struct {
		Rendered string         `json:"message_rendered"`
		Values   []any          `json:"exception_values"`
		Tags     map[string]any `json:"tags"`
	}
	_ = json.Unmarshal(e.Raw, &sent) // what does not fit stays empty and shows as a difference
	if sent.Rendered != "" {         // a template that came without its text is filled in
		s.Message = sent.Rendered
	}
	for _, v := range sent.Values {
		s.Values = append(s.Values, text(v))
	}
	for k, v := range sent.Tags {
		if value := text(v); len(value) <= maxTagValue {
			s.Tags[k] = value
		}
	}
	return s
}

// maxTagValue is the longest tag value that is kept; longer ones are dropped with a note.
// Rule: getsentry/relay relay-event-normalization/src/event.rs
const maxTagValue = 200

// text is how the protocol reads a value of another type where a string belongs.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// stored reads an event back through the API; only the tags that were sent are kept.
func (in *instance) stored(ctx context.Context, id string) (s said, err error) {
	var ev struct {
		Level, Release, Environment string
		User                        struct{ ID string }
		LogEntry                    struct{ Formatted, Message string }
		Exception                   struct {
			Values []struct{ Type, Value string }
		}
		Tags [][2]string
	}
	err = eventually(ctx, 30*time.Second, func(ctx context.Context) error {
		return in.api(ctx, "projects/"+in.Organization+"/"+in.Project+"/events/"+id+"/json/", &ev)
	}, in.done)
	if err != nil {
		return s, err
	}
	s = said{Message: ev.LogEntry.Formatted, Level: ev.Level, Release: ev.Release, Environment: ev.Environment, UserID: ev.User.ID, Tags: map[string]string{}}
	if s.Message == "" {
		s.Message = ev.LogEntry.Message
	}
	for _, v := range ev.Exception.Values {
		s.Types, s.Values = append(s.Types, v.Type), append(s.Values, v.Value)
	}
	for _, tag := range ev.Tags {
		if _, twice := s.Tags[tag[0]]; twice {
			return s, fmt.Errorf("tag %q is stored twice", tag[0])
		}
		s.Tags[tag[0]] = tag[1]
	}
	return s, nil
}
