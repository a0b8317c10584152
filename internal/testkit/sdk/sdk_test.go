package sdk_test

import (
	"net/http"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

func TestEveryRecordedRequestLoads(t *testing.T) {
	t.Parallel()
	all := sdk.Requests(t)
	if len(all) != 877 {
		t.Errorf("want 877 requests, got %d", len(all))
	}
	for _, r := range all {
		if r.Method == "" || r.Target == "" || r.Target[0] != '/' || r.Kind == "" {
			t.Errorf("%s: incomplete: %s %s", r.File, r.Method, r.Target)
		}
		if r.Method == http.MethodPost && r.Kind != sdk.KindAPI && len(r.Body) == 0 {
			t.Errorf("%s: no body", r.File)
		}
	}
	for kind, want := range map[string]int{sdk.KindEnvelope: 666, sdk.KindStore: 88, sdk.KindSecurity: 6, sdk.KindAPI: 117} {
		if got := len(sdk.Requests(t, kind)); got != want {
			t.Errorf("%s: want %d requests, got %d", kind, want, got)
		}
	}
}
