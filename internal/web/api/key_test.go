package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keyAnswer is what clients read of a key.
type keyAnswer struct {
	ID        string
	Name      string
	IsActive  bool
	RateLimit *struct{ Count, Window int }
	DSN       struct{ Public string }
}

func TestKeysAreMadeChangedRotatedAndRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const keys, ours = "/api/0/projects/default/shop/keys/", "/api/v1/projects/default/shop/keys/"
	revision := func() int64 { return w.scalar("select revision from configuration where name = 'projects'") }
	before := revision()

	var made keyAnswer
	w.want(201, "POST", keys, `{"name":"mobile","rateLimit":{"count":100,"window":60},"useCase":"user"}`).json(t, &made)
	if made.Name != "mobile" || !made.IsActive || made.RateLimit == nil || made.RateLimit.Count != 100 || made.RateLimit.Window != 60 || !strings.Contains(made.DSN.Public, made.ID) {
		t.Errorf("made %+v", made)
	}
	if now := revision(); now != before+1 {
		t.Errorf("want the revision to grow by one from %d, got %d", before, now)
	}
	select {
	case <-w.st.Configured():
	default:
		t.Error("want this process told of the change")
	}

	var got keyAnswer
	w.want(200, "PUT", keys+made.ID+"/", `{"isActive":false,"id":"x","dsn":{}}`).json(t, &got)
	want := made
	want.IsActive = false
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("switched off (-want +got):\n%s", diff)
	}
	for body, limited := range map[string]bool{`{"rateLimit":null}`: false, `{"rateLimit":{"count":0,"window":60}}`: false, `{"name":"m"}`: true} {
		w.want(200, "PUT", keys+made.ID+"/", `{"rateLimit":{"count":1,"window":1}}`)
		var k keyAnswer
		if w.want(200, "PUT", keys+made.ID+"/", body).json(t, &k); (k.RateLimit != nil) != limited {
			t.Errorf("%s: limit %+v", body, k.RateLimit)
		}
	}
	for _, body := range []string{`{"name":""}`, `{"name":"` + strings.Repeat("x", 65) + `"}`, `{"rateLimit":{"count":-1,"window":60}}`,
		`{"rateLimit":{"count":1,"window":99999999}}`, `{"rateLimit":7}`, `{"isActive":"yes"}`, `[`} {
		w.want(400, "PUT", keys+made.ID+"/", body)
	}

	var rotated keyAnswer
	w.want(200, "POST", ours+made.ID+"/rotate/").json(t, &rotated)
	if rotated.ID == made.ID || rotated.Name != "m" {
		t.Errorf("rotated %+v", rotated)
	}
	w.want(404, "GET", keys+made.ID+"/")
	w.want(204, "DELETE", keys+rotated.ID+"/")
	w.want(404, "DELETE", keys+rotated.ID+"/")

	reader := "Bearer " + w.tokenWith("project:read")
	for _, call := range [][2]string{{"POST", keys}, {"PUT", keys + w.key + "/"}, {"DELETE", keys + w.key + "/"}, {"POST", ours + w.key + "/rotate/"}} {
		if a := w.callAs(reader, call[0], call[1], `{}`); a.status != 403 {
			t.Errorf("%s %s with project:read: %d", call[0], call[1], a.status)
		}
	}
}

func TestStatsAreToldByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 3) // with key 9
	const path = org + "stats_v2/?field=sum(quantity)&groupBy=key&groupBy=reason&groupBy=category&statsPeriod=7d&interval=1d"
	for query, want := range map[string]int64{"": 3, "&key_id=9": 3, "&key_id=8": 0} {
		var stats struct {
			Groups []struct {
				By     map[string]string
				Totals map[string]int64
			}
		}
		w.want(200, "GET", path+query).json(t, &stats)
		var sum int64
		for _, g := range stats.Groups {
			if g.By["key"] != "9" || g.By["category"] != "error" || g.By["reason"] != "" {
				t.Errorf("%q: a group by %v", query, g.By)
			}
			sum += g.Totals["sum(quantity)"]
		}
		if sum != want {
			t.Errorf("%q: want %d, got %d", query, want, sum)
		}
	}
	w.want(400, "GET", path+"&key_id=x")
}
