package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/symbolicator"
)

// TestASymbolicatorNamesWhatNoFileDoes runs the program beside a service that speaks the protocol of
// symbolicators, and wants crashes stored as they came when that is away.
func TestASymbolicatorNamesWhatNoFileDoes(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/minidump" {
			if _, head, err := r.FormFile("upload_file_minidump"); err != nil || head.Size < 1000 {
				t.Errorf("the minidump did not come: %v", err)
			}
			fmt.Fprint(w, `{"status":"completed","stacktraces":[{"thread_id":7,"is_requesting":true,"frames":[
				{"status":"symbolicated","original_index":0,"instruction_addr":"0x555500001000","trust":"context","function":"pay","filename":"pay.cc","lineno":12},
				{"status":"symbolicated","original_index":1,"instruction_addr":"0x555500002000","trust":"cfi","function":"checkout","filename":"cart.cc","lineno":8},
				{"status":"missing","original_index":2,"instruction_addr":"0x555500003000","trust":"cfi","package":"/opt/shop/till"},
				{"status":"symbolicated","original_index":3,"instruction_addr":"0x555500004000","trust":"cfi","function":"main","filename":"main.cc","lineno":40}]}]}`)
			return
		}
		if r.Method == http.MethodPost {
			if asked.Load() > 0 {
				fmt.Fprint(w, `{"status":"failed","message":"asked before"}`)
				return
			}
			var q struct{ Stacktraces []symbolicator.Stack }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Stacktraces) != 1 || len(q.Stacktraces[0].Frames) != 3 || q.Stacktraces[0].Frames[0].Trust != "context" {
				t.Errorf("asked %+v %v", q, err)
			}
			asked.Add(1)
			fmt.Fprint(w, `{"status":"pending","request_id":"one","retry_after":0.1}`)
			return
		}
		fmt.Fprint(w, `{"status":"completed","stacktraces":[{"frames":[
			{"status":"symbolicated","original_index":0,"function":"divide","symbol":"_Z6divideii","abs_path":"/src/till/math.cc","filename":"math.cc","lineno":3},
			{"status":"symbolicated","original_index":0,"function":"pay","abs_path":"/src/till/pay.cc","filename":"pay.cc","lineno":12},
			{"status":"missing_symbol","original_index":1},
			{"status":"symbolicated","original_index":2,"function":"main","filename":"main.cc","lineno":40}]}]}`)
	}))
	t.Cleanup(service.Close)
	in := up(t, "TOCSIN_SYMBOLICATOR_URL="+service.URL)
	var id string
	crash := func(address uint64) ([]nativeFrame, string) {
		dump := tillDump(0x555500000000, []uint64{address, 0x2000, 0x3000})
		status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/minidump/?sentry_key="+in.key(), "", dump, "Content-Type", "application/octet-stream")
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		id = strings.ReplaceAll(string(body), "-", "")
		return in.crashOf(t, id)
	}
	written := func(frames []nativeFrame) (text string) {
		for _, f := range frames {
			text += fmt.Sprintf("%s %s:%d, ", f.Function, f.Filename, f.LineNo)
		}
		return text
	}
	frames, text := crash(0x1000)
	got := written(frames)
	if want := "main main.cc:40,  :0, pay pay.cc:12, divide math.cc:3, "; got != want {
		t.Errorf("want %s, got %s\n%s", want, got, text)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	// Symbolicated again, the stack is walked by the service.
	if printed := run(t, "jobs", "start", "symbolicate", "--wait", "--data", in.data); !strings.Contains(printed, `"changed":1`) {
		t.Errorf("the job printed %s", printed)
	}
	frames, text = in.crashOf(t, id)
	if want := "main main.cc:40,  :0, checkout cart.cc:8, pay pay.cc:12, "; written(frames) != want || frames[0].Trust != "cfi" {
		t.Errorf("walked by the service: want %s, got %s\n%s", want, written(frames), text)
	}
	service.Close()
	frames, text = crash(0x1001)
	if len(frames) != 3 || frames[2].Function != "" || !strings.Contains(text, "native_symbolicator_failed") || !strings.Contains(text, "cannot be reached") {
		t.Errorf("while it is away: %+v\n%s", frames, text)
	}
}
