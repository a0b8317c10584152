package api_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// changing is what differs from run to run: ids made from the clock, and moments.
var changing = regexp.MustCompile(`"?\b[0-9]{15,}\b"?|"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"|\b1[0-9]{9}\b|"[0-9a-f]{32}"|[0-9a-f]{32}|[0-9a-f]{64}`)

func TestShapesAreGolden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 3)
	ev := eventID("1boom", 1).String()
	for name, path := range map[string]string{
		"issue_list": org + "issues/?groupStatsPeriod=", "issue": org + "issues/SHOP-1/?collapse=stats", "event": proj + "events/" + ev + "/",
		"event_list": proj + "events/?per_page=1", "project": proj, "organization": org + "?detailed=0", "keys": proj + "keys/", "user": "/api/0/auth/",
		"tags": org + "issues/SHOP-1/tags/", "releases": org + "releases/", "shortid": org + "shortids/shop-1/",
	} {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.want(200, "GET", path).body, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+".json", append(changing.ReplaceAll(pretty.Bytes(), []byte("•")), '\n'))
	}
}
