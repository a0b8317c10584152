package api_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/replay"
)

// replay sends the requests of a client, as testdata/clients tells them.
func (w *world) replay(t *testing.T, name string, vars map[string]string) {
	t.Helper()
	n := replay.Run(t, "testdata/clients/"+name+".txt", vars, func(method, path, body string) (int, []byte) {
		a := w.callAs("Bearer "+w.token, method, path, body)
		return a.status, a.body
	})
	t.Logf("%s: %d requests", name, n)
}

// TestGrafanasDataSourceReadsWhatItAsksFor replays what each of its query types and pickers sends.
func TestGrafanasDataSourceReadsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	w.want(201, "POST", org+"teams/", `{"slug":"core"}`)
	w.want(201, "POST", proj+"teams/core/")
	const layout = "2006-01-02T15:04:05"
	w.replay(t, "grafana", map[string]string{"start": noon.Add(-6 * time.Hour).Format(layout), "end": noon.Add(6 * time.Hour).Format(layout)})
}
