package symbolicator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/symbolicator"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

var query = symbolicator.Query{Project: 7, Stacks: []symbolicator.Stack{{Frames: []symbolicator.Frame{{InstructionAddr: "0x1010"}, {InstructionAddr: "0x1020"}}}},
	Modules: []symbolicator.Module{{Type: "elf", DebugID: "d", ImageAddr: "0x1000", ImageSize: 4096}}}

const done = `{"status":"completed","stacktraces":[{"frames":[{"status":"symbolicated","original_index":0,"instruction_addr":"0x1010","function":"pay","lineno":4}]}]}`

// client is of a service that answers with handle.
func client(t *testing.T, handle http.HandlerFunc) *symbolicator.Client {
	t.Helper()
	service := httptest.NewServer(handle)
	t.Cleanup(service.Close)
	outside, err := bindings.Symbolicator.Client(natstest.New(t).Conn("processor"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := symbolicator.New(outside, service.URL+"/", []byte(`[{"id":"ours","type":"http"}]`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswersThatTakeTimeAreComeBackFor(t *testing.T) {
	t.Parallel()
	var posts, polls atomic.Int32
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/symbolicate":
			body, _ := io.ReadAll(r.Body)
			var q struct {
				Platform    string
				Sources     []struct{ ID string }
				Stacktraces []symbolicator.Stack
				Modules     []symbolicator.Module
			}
			if err := json.Unmarshal(body, &q); err != nil || q.Platform != "native" || q.Sources[0].ID != "ours" || r.URL.Query().Get("scope") != "7" || r.URL.Query().Get("timeout") != "2" {
				t.Errorf("%s %s %v", r.URL, body, err)
			}
			if diff := cmp.Diff(query.Stacks, q.Stacktraces); diff != "" || cmp.Diff(query.Modules, q.Modules) != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			fmt.Fprintf(w, `{"status":"pending","request_id":"r%d","retry_after":0.01}`, posts.Add(1))
		case r.URL.Path == "/requests/r1": // the service was restarted and forgot it
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Path == "/requests/r2" && polls.Add(1) < 3:
			fmt.Fprint(w, `{"status":"pending","request_id":"r2","retry_after":0}`)
		default:
			fmt.Fprint(w, done)
		}
	})
	stacks, err := c.Symbolicate(t.Context(), query)
	if err != nil || posts.Load() != 2 || polls.Load() != 3 || len(stacks) != 1 || !stacks[0].Frames[0].Named() || stacks[0].Frames[0].Function != "pay" || stacks[0].Frames[0].Lineno != 4 {
		t.Errorf("%+v %v after %d and %d", stacks, err, posts.Load(), polls.Load())
	}
}

func TestMinidumpsAreSentAsForms(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		dump, head, err := r.FormFile("upload_file_minidump")
		if err != nil || r.URL.Path != "/minidump" || r.URL.Query().Get("scope") != "7" || r.FormValue("sources") == "" {
			t.Errorf("%s %v", r.URL, err)
			return
		}
		if b, _ := io.ReadAll(dump); string(b) != "MDMP..." {
			t.Errorf("%s is %q", head.Filename, b)
		}
		fmt.Fprint(w, `{"status":"completed","stacktraces":[{"thread_id":5,"is_requesting":true,"frames":[{"status":"missing","instruction_addr":"0x1","trust":"cfi"}]}]}`)
	})
	stacks, err := c.Minidump(t.Context(), 7, []byte("MDMP..."))
	if err != nil || len(stacks) != 1 || !stacks[0].Crashed || stacks[0].Thread != 5 || stacks[0].Frames[0].Trust != "cfi" || stacks[0].Frames[0].Named() {
		t.Errorf("%+v %v", stacks, err)
	}
	nothing := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"completed","stacktraces":[]}`) })
	if _, err := nothing.Minidump(t.Context(), 7, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no stacks: %v", err)
	}
}

func TestAnswersThatCannotBeUsedAreErrors(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
	}{
		"refused":     {400, `{"error":"no"}`, fault.Invalid},
		"failed":      {200, `{"status":"failed","message":"no modules"}`, fault.Invalid},
		"no JSON":     {200, `<html>`, fault.Invalid},
		"too few":     {200, `{"status":"completed","stacktraces":[]}`, fault.Invalid},
		"broken":      {503, ``, fault.Unavailable},
		"overwhelmed": {429, ``, fault.Unavailable},
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(want.status); fmt.Fprint(w, want.body) })
		if _, err := c.Symbolicate(t.Context(), query); fault.KindOf(err) != want.kind {
			t.Errorf("%s: want %v, got %v", name, want.kind, err)
		}
	}
}

// TestAServiceThatIsAwayIsNotWaitedForAgain wants answers at once after some failures, and the
// service asked again when it is back.
func TestAServiceThatIsAwayIsNotWaitedForAgain(t *testing.T) {
	t.Parallel()
	var back atomic.Bool
	var asked atomic.Int32
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1); back.Load() {
			fmt.Fprint(w, done)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	for range 20 {
		if _, err := c.Symbolicate(t.Context(), query); fault.KindOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
	if n := asked.Load(); n > 10 {
		t.Errorf("it was asked %d times", n)
	}
	back.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := c.Symbolicate(ctx, query); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("it was never asked again")
}

func TestOnlyWhoIsBoundMayAsk(t *testing.T) {
	t.Parallel()
	if _, err := bindings.Symbolicator.Client(natstest.New(t).Conn("web")); fault.KindOf(err) != fault.Denied {
		t.Errorf("web: %v", err)
	}
	for address, sources := range map[string]string{"ftp://x": "[]", "": "[]", "http://x": "{}"} {
		if _, err := symbolicator.New(nil, address, []byte(sources)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s %s: %v", address, sources, err)
		}
	}
}
