package httpx_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
)

type answer struct {
	Status           int
	Body, RetryAfter string
}

func TestKindsBecomeStatusesAndCausesStayPrivate(t *testing.T) {
	t.Parallel()
	secret := errors.New("password is hunter2")
	for _, c := range []struct {
		name string
		err  error
		want answer
	}{
		{"unclassified", secret, answer{500, `{"detail":"internal error"}`, ""}},
		{"wrapped", fault.Wrap(secret, fault.Invalid, "bad header"), answer{400, `{"detail":"bad header"}`, ""}},
		{"nested", fault.Wrap(fault.New(fault.Invalid, "line 3"), fault.Invalid, "bad envelope"), answer{400, `{"detail":"bad envelope","causes":["line 3"]}`, ""}},
		{"limited", fault.New(fault.Limited, "slow down").RetryAfter(1500 * time.Millisecond), answer{429, `{"detail":"slow down"}`, "2"}},
		{"unsupported", fault.New(fault.Unsupported, "no such encoding"), answer{415, `{"detail":"no such encoding"}`, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			httpx.Handler(func(http.ResponseWriter, *http.Request) error { return c.err }).ServeHTTP(w, r)
			got := answer{w.Code, w.Body.String(), w.Header().Get("Retry-After")}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
