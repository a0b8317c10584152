package api_test

import (
	"strings"
	"testing"
)

func TestSpikeProtectionIsSwitched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := ours + "spike-protection/"
	want := func(method, body, answer string) {
		t.Helper()
		if got := strings.TrimSpace(string(w.want(200, method, path, body).body)); got != answer {
			t.Errorf("%s %s: want %s, got %s", method, body, answer, got)
		}
	}
	const off, on = `{"enabled":false,"hourlyLimit":null,"measuredAt":null}`, `{"enabled":true,"hourlyLimit":null,"measuredAt":null}`
	want("GET", "", off)
	want("PUT", `{"enabled":true}`, on)
	want("GET", "", on)
	want("PUT", `{"enabled":false}`, off)
	w.want(400, "PUT", path, `{}`)
	w.want(400, "PUT", path, `{"enabled":true,"limit":5}`)
}
