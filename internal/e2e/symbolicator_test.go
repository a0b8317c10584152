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
		if r.Method == http.MethodPost {
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
	crash := func(address uint64) ([]nativeFrame, string) {
		dump := tillDump(0x555500000000, []uint64{address, 0x2000, 0x3000})
		status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/minidump/?sentry_key="+in.key(), "", dump, "Content-Type", "application/octet-stream")
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		return in.crashOf(t, strings.ReplaceAll(string(body), "-", ""))
	}
	frames, text := crash(0x1000)
	got := ""
	for _, f := range frames {
		got += fmt.Sprintf("%s %s:%d, ", f.Function, f.Filename, f.LineNo)
	}
	if want := "main main.cc:40,  :0, pay pay.cc:12, divide math.cc:3, "; got != want {
		t.Errorf("want %s, got %s\n%s", want, got, text)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	service.Close()
	frames, text = crash(0x1001)
	if len(frames) != 3 || frames[2].Function != "" || !strings.Contains(text, "native_symbolicator_failed") || !strings.Contains(text, "cannot be reached") {
		t.Errorf("while it is away: %+v\n%s", frames, text)
	}
}
